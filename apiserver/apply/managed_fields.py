"""`metadata.managedFields`: who owns which field, kept up to date by every write.

Pure: the time is given. `track` is for plain writes (create, update, patch), `apiserver.apply.merge` for server-side
apply; both read and write entries through here.
"""

from dataclasses import dataclass, replace
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.schema.tables import Schema
from apiserver.apply.comparison import compare
from apiserver.apply.field_set import Fields, difference, intersection, ordered, union

# Fields the server keeps by itself; nobody owns them.
_UNOWNED: Fields = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        "f:name": {},
        "f:namespace": {},
        "f:creationTimestamp": {},
        "f:selfLink": {},
        "f:uid": {},
        "f:clusterName": {},
        "f:generation": {},
        "f:managedFields": {},
        "f:resourceVersion": {},
        "f:deletionTimestamp": {},
        "f:deletionGracePeriodSeconds": {},
    },
}
# What the server allocates for a new Service after its manager has spoken.
_ALLOCATED = {
    "Service": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"),
}
_MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"
# Structs that Go values always have: a new object compares with them, so that they are not "added" themselves.
_ALWAYS: dict[str, Any] = {
    "metadata": {},
    "spec": {},
    "status": {"loadBalancer": {}},
}
_POD_SPEC: dict[str, Any] = {"containers": []}
_TEMPLATE: dict[str, Any] = {"metadata": {}, "spec": _POD_SPEC}
_ALWAYS_IN_SPEC: dict[str, dict[str, Any]] = {
    "Pod": _POD_SPEC,
    "Deployment": {"strategy": {}, "template": _TEMPLATE},
    "ReplicaSet": {"template": _TEMPLATE},
    "StatefulSet": {"updateStrategy": {}, "template": _TEMPLATE},
    "DaemonSet": {"updateStrategy": {}, "template": _TEMPLATE},
    "Job": {"template": _TEMPLATE},
    "CronJob": {"jobTemplate": {"metadata": {}, "spec": {"template": _TEMPLATE}}},
    "PersistentVolumeClaim": {"resources": {}},
    "CustomResourceDefinition": {"names": {}},
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose fields an entry of managedFields holds."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of one identity, and when it last changed some."""

    fields: Fields
    time: str = ""


Managers = dict[Identity, Owned]


def read(obj: Obj | None) -> Managers:
    """The owners an object tells."""
    made: Managers = {}
    entries = ((obj or {}).get("metadata") or {}).get("managedFields") or ()
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("fieldsV1"), dict):
            continue
        identity = Identity(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        made[identity] = Owned(entry["fieldsV1"], entry.get("time", ""))
    return made


def write(obj: Obj, managers: Managers) -> None:
    """Set the owners of an object, in place."""
    metadata = obj["metadata"]
    entries = []
    for identity, owned in sorted(
        managers.items(),
        key=lambda one: (one[0].operation, one[1].time, one[0].manager, one[0].api_version, one[0].subresource),
    ):
        entry: Obj = {
            "manager": identity.manager,
            "operation": identity.operation,
            "apiVersion": identity.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields,
        }
        if not owned.time:
            del entry["time"]
        if identity.subresource:
            entry["subresource"] = identity.subresource
        entries.append(entry)
    if entries:
        metadata["managedFields"] = entries
    else:
        metadata.pop("managedFields", None)


def empty_of(obj: Obj) -> Obj:
    """What a new object of the kind has before anything is set."""
    made = dict(_ALWAYS)
    in_spec = _ALWAYS_IN_SPEC.get(str(obj.get("kind")))
    if in_spec:
        made["spec"] = in_spec
    return {field: value for field, value in made.items() if field in obj or field == "metadata"}


def owned_part(fields: Fields, subresource: str) -> Fields:
    """A set without what the server keeps by itself, and without status where that can't be written."""
    fields = difference(fields, _UNOWNED)
    if not subresource and "f:status" in fields:
        fields = {key: node for key, node in fields.items() if key != "f:status"}
    return fields


def _is_reset(obj: Obj) -> bool:
    entries = (obj.get("metadata") or {}).get("managedFields")
    return isinstance(entries, list) and (not entries or entries == [{}])


def given_managers(old: Obj | None, new: Obj) -> Managers:
    """The owners to begin with: those the client sent, else the stored ones."""
    if _is_reset(new):
        return {}
    return read(new) or read(old)


def track(
    old: Obj | None,
    new: Obj,
    *,
    manager: str,
    operation: str = "Update",
    subresource: str = "",
    schema: Schema | None,
    now: str,
) -> Obj:
    """The new object with its owners brought up to date.

    Args:
        old: The stored object; None for a new one.
        new: The object as it will be stored, but for managedFields.
        manager: The field manager of the write.
        operation: `Update`, for all but server-side apply.
        subresource: Through which it is written.
        schema: The shape of the kind.
        now: The present, as a Time.
    """
    reset = old is not None and _is_reset(new)
    managers = given_managers(old, new)
    made = {**new, "metadata": dict(new.get("metadata") or {})}
    if reset:
        made["metadata"].pop("managedFields", None)
        return made
    identity = Identity(manager, operation, str(new.get("apiVersion", "")), subresource)
    managers = updated(old, new, managers, identity, schema, now)
    write(made, managers)
    return made


def updated(
    old: Obj | None, new: Obj, managers: Managers, identity: Identity, schema: Schema | None, now: str
) -> Managers:
    """The owners after a plain write from one object to another."""
    found = compare(_comparable(old) if old is not None else empty_of(new), _comparable(new), schema)
    taken = owned_part(union(found.added, found.modified), identity.subresource)
    if old is None:
        taken = _without_allocated(taken, str(new.get("kind")))
    gone = found.removed
    made: Managers = {}
    for one, owned in managers.items():
        fields = owned.fields
        if gone and fields:
            fields = difference(fields, gone)
        if taken and one != identity:
            fields = difference(fields, intersection(fields, taken))
        if fields:
            made[one] = owned if fields is owned.fields or fields == owned.fields else replace(owned, fields=fields)
    if taken:
        mine = made.get(identity)
        fields = union(mine.fields, taken) if mine else taken
        made[identity] = Owned(ordered(fields), now)
        made = _capped(made, now)
    return made


def _comparable(obj: Obj) -> Obj:
    metadata = obj.get("metadata") or {}
    if "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _without_allocated(fields: Fields, kind: str) -> Fields:
    names = _ALLOCATED.get(kind)
    spec = fields.get("f:spec")
    if not names or not spec:
        return fields
    kept = {key: node for key, node in spec.items() if key[2:] not in names}
    return {**fields, "f:spec": kept}


def _capped(managers: Managers, now: str) -> Managers:
    """Merge the oldest updaters into one, so that an object that many write does not grow for ever."""
    updaters = [identity for identity in managers if identity.operation == "Update"]
    if len(updaters) <= _MOST_UPDATERS:
        return managers
    updaters.sort(key=lambda one: managers[one].time)
    oldest = updaters[: len(updaters) - _MOST_UPDATERS + 1]
    made = {identity: owned for identity, owned in managers.items() if identity not in oldest}
    for identity in oldest:
        ancient = Identity(_ANCIENT, "Update", identity.api_version)
        owned = managers[identity]
        before = made.get(ancient)
        fields = union(before.fields, owned.fields) if before else owned.fields
        made[ancient] = Owned(fields, owned.time or now)
    return made
