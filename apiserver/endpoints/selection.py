"""The selectors in a query, as a `Selection` over a resource."""

from __future__ import annotations

from apimachinery.errors import BadRequest
from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.selectors import parse_field_selector
from apiserver.filters.request_info import RequestInfo
from apiserver.registry.store import Store
from apiserver.registry.strategy import METADATA_FIELDS
from apiserver.storage.cache.subscriber import Matcher, Selection


def selection(info: RequestInfo, store: Store) -> Selection:
    """Return what a list, watch or deletecollection is about; `BadRequest`."""
    labels = info.first("labelSelector")
    fields = info.first("fieldSelector")
    namespace = info.namespace if store.resource.namespaced else ""
    prefix = f"{namespace}/" if namespace else ""
    label_matcher: Matcher | None = None
    if labels.strip():
        try:
            label_matcher = parse_label_selector(labels)
        except ValueError as error:
            raise BadRequest(str(error)) from error
    field_matcher, name = _fields(fields, store) if fields.strip() else (None, "")
    if info.name and info.verb == "watch":
        if name and name != info.name:
            raise BadRequest(f'field selector metadata.name={name} does not match the requested name "{info.name}"')
        name = info.name
    key = ""
    if name and (namespace or not store.resource.namespaced):
        key = store.key(namespace, name)
    elif name and field_matcher is None:
        field_matcher = parse_field_selector(f"metadata.name={name}")
    return Selection(prefix, label_matcher, field_matcher, store.strategy.selectable_fields, key)


def _fields(text: str, store: Store) -> tuple[Matcher | None, str]:
    """Return the matcher and the one name it demands; the matcher is None when it demands nothing else."""
    try:
        parsed = parse_field_selector(text)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    for requirement in parsed.requirements:
        if requirement.field not in store.strategy.field_names:
            raise BadRequest(_unknown(requirement.field, store))
    name = parsed.required("metadata.name") or ""
    return (None if name and len(parsed.requirements) == 1 else parsed), name


def _unknown(field: str, store: Store) -> str:
    """Say that a field can't be selected by; upstream words it differently where a kind has no fields of its own."""
    if store.strategy.named_items or store.strategy.field_names != METADATA_FIELDS:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
