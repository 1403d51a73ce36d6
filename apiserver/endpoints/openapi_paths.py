"""The paths of a resource in OpenAPI: an operation per verb, with the parameters clients look for."""

from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ANSWERS = ("application/json", "application/yaml")
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_LIST_PARAMETERS = (
    ("allowWatchBookmarks", "boolean", "allowWatchBookmarks asks for events of type BOOKMARK."),
    ("continue", "string", "Where to go on, as the page before told."),
    ("fieldSelector", "string", "Restricts the objects by their fields."),
    ("labelSelector", "string", "Restricts the objects by their labels."),
    ("limit", "integer", "The most objects to return in one page."),
    ("resourceVersion", "string", "How new what is returned must be."),
    ("resourceVersionMatch", "string", "How resourceVersion is applied."),
    ("sendInitialEvents", "boolean", "Begin a watch with the objects there are."),
    ("timeoutSeconds", "integer", "Limits the duration of the call."),
    ("watch", "boolean", "Watch for changes instead of listing."),
)
_WRITE_PARAMETERS = (
    ("dryRun", "string", "All: go through every stage, but store nothing."),
    ("fieldManager", "string", "The name of who makes the change."),
    ("fieldValidation", "string", "What to do with unknown and duplicate fields: Ignore, Warn or Strict."),
)
_FORCE = ("force", "boolean", "Take fields from other managers (apply only).")
_DELETE_PARAMETERS = (
    ("dryRun", "string", "All: go through every stage, but store nothing."),
    ("gracePeriodSeconds", "integer", "How long the object may take to end."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    ("propagationPolicy", "string", "What happens to dependents: Orphan, Background or Foreground."),
)
_PRETTY = ("pretty", "string", "Indent the answer.")
_SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
}
_DEFINITIONS = {
    "scale": "io.k8s.api.autoscaling.v1.Scale",
    "eviction": "io.k8s.api.policy.v1.Eviction",
    "token": "io.k8s.api.authentication.v1.TokenRequest",
    "binding": "io.k8s.api.core.v1.Binding",
}
_READ_WRITE = frozenset(("status", "scale", "ephemeralcontainers", "resize", "approval"))
_CREATED = frozenset(("eviction", "token", "binding"))


class _Maker:
    """Makes the operations of one resource in one form of OpenAPI."""

    def __init__(self, resource: Resource, definition: str, root: str, *, v3: bool, custom: bool) -> None:
        self.resource = resource
        self.definition = definition
        self.root = root
        self.v3 = v3
        self.patches = _PATCHES[:3] if custom else _PATCHES
        self.gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}

    def parameter(self, name: str, kind: str, description: str, place: str = "query") -> Obj:
        made: Obj = {"name": name, "in": place, "description": description}
        if place == "path":
            made["required"] = True
        if self.v3:
            made["schema"] = {"type": kind, "uniqueItems": True}
        else:
            made["type"] = kind
            made["uniqueItems"] = True
        return made

    def operation(
        self,
        verb: str,
        action: str,
        answer: str,
        parameters: tuple[tuple[str, str, str], ...] = (),
        body: str = "",
        gvk: Obj | None = None,
        suffix: str = "",
    ) -> Obj:
        group = self.resource.group.partition(".")[0].capitalize() or "Core"
        scope = "Namespaced" if self.resource.namespaced else ""
        version = self.resource.version.capitalize()
        made: Obj = {
            "description": f"{action} of {self.resource.kind}",
            "operationId": f"{verb}{group}{version}{scope}{self.resource.kind}{suffix}",
            "tags": [f"{group.lower()}_{self.resource.version}"],
            "responses": {"200": self.response(answer), "401": {"description": "Unauthorized"}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk or self.gvk,
        }
        listed = [self.parameter(*one) for one in parameters]
        if not self.v3:
            made["produces"] = list(_ANSWERS)
            made["schemes"] = ["https"]
            made["consumes"] = list(self.patches) if action == "patch" else ["*/*"]
            if body:
                schema = {"$ref": body}
                listed.append({"name": "body", "in": "body", "required": action != "delete", "schema": schema})
        elif body:
            types = self.patches if action == "patch" else ("*/*",)
            made["requestBody"] = {"content": {one: {"schema": {"$ref": body}} for one in types}}
            if action != "delete":
                made["requestBody"]["required"] = True
        if listed:
            made["parameters"] = listed
        return made

    def response(self, answer: str) -> Obj:
        schema = {"$ref": answer} if answer else {"type": "string"}
        if self.v3:
            return {"description": "OK", "content": {one: {"schema": schema} for one in _ANSWERS}}
        return {"description": "OK", "schema": schema}

    def shared(self, *, named: bool) -> list[Obj]:
        made = [self.parameter(*_PRETTY)]
        if named:
            made.append(self.parameter("name", "string", f"name of the {self.resource.kind}", "path"))
        if self.resource.namespaced:
            made.append(self.parameter("namespace", "string", "object name and auth scope", "path"))
        return made

    def meta(self, name: str) -> str:
        return f"{self.root}{_META}{name}"


def paths_of(resource: Resource, definition: str, root: str, *, v3: bool, custom: bool = False) -> dict[str, Obj]:
    """The paths of a resource.

    Args:
        resource: The resource.
        definition: The reference of its definition.
        root: What references begin with.
        v3: OpenAPI 3.0 instead of 2.0.
        custom: A custom resource: no strategic merge patch.
    """
    make = _Maker(resource, definition, root, v3=v3, custom=custom)
    verbs = frozenset(resource.verbs)
    collection = resource.path("{namespace}" if resource.namespaced else None)
    found: dict[str, Obj] = {}
    found[collection] = _collection(make, verbs)
    if resource.namespaced and "list" in verbs:
        everywhere = make.operation("list", "list", f"{definition}List", _LIST_PARAMETERS, suffix="ForAllNamespaces")
        found[resource.path(None)] = {"get": everywhere, "parameters": [make.parameter(*_PRETTY)]}
    item = _item(make, verbs)
    if item:
        found[f"{collection}/{{name}}"] = {**item, "parameters": make.shared(named=True)}
    for name in resource.subresources:
        part = _subresource(make, name)
        if part:
            found[f"{collection}/{{name}}/{name}"] = {**part, "parameters": make.shared(named=True)}
    return found


def _collection(make: _Maker, verbs: frozenset[str]) -> Obj:
    made: Obj = {}
    definition = make.definition
    if "list" in verbs:
        made["get"] = make.operation("list", "list", f"{definition}List", _LIST_PARAMETERS)
    if "create" in verbs:
        made["post"] = make.operation("create", "post", definition, _WRITE_PARAMETERS, definition)
    if "deletecollection" in verbs:
        made["delete"] = make.operation(
            "deleteCollection",
            "deletecollection",
            make.meta("Status"),
            (*_DELETE_PARAMETERS, *_LIST_PARAMETERS[1:7]),
            make.meta("DeleteOptions"),
        )
    made["parameters"] = make.shared(named=False)
    return made


def _item(make: _Maker, verbs: frozenset[str]) -> Obj:
    made: Obj = {}
    definition = make.definition
    if "get" in verbs:
        made["get"] = make.operation("read", "get", definition)
    if "update" in verbs:
        made["put"] = make.operation("replace", "put", definition, _WRITE_PARAMETERS, definition)
    if "patch" in verbs:
        made["patch"] = make.operation("patch", "patch", definition, (*_WRITE_PARAMETERS, _FORCE), make.meta("Patch"))
    if "delete" in verbs:
        made["delete"] = make.operation(
            "delete", "delete", make.meta("Status"), _DELETE_PARAMETERS, make.meta("DeleteOptions")
        )
    return made


def _subresource(make: _Maker, name: str) -> Obj:
    gvk: Any = None
    definition = make.definition
    if name in _SUBRESOURCE_KINDS:
        group, version, kind = _SUBRESOURCE_KINDS[name]
        gvk = {"group": group, "kind": kind, "version": version}
        definition = make.root + _DEFINITIONS[name]
    suffix = name.capitalize()
    if name in _READ_WRITE:
        patch = (*_WRITE_PARAMETERS, _FORCE)
        return {
            "get": make.operation("read", "get", definition, (), "", gvk, suffix),
            "put": make.operation("replace", "put", definition, _WRITE_PARAMETERS, definition, gvk, suffix),
            "patch": make.operation("patch", "patch", definition, patch, make.meta("Patch"), gvk, suffix),
        }
    if name in _CREATED:
        return {"post": make.operation("create", "post", definition, _WRITE_PARAMETERS, definition, gvk, suffix)}
    if name == "finalize":
        return {"put": make.operation("replace", "put", definition, _WRITE_PARAMETERS, definition, gvk, suffix)}
    if name == "log":
        return {"get": make.operation("read", "get", "", (), "", gvk, suffix)}
    return {}
