"""Pods and pod templates: defaults of the specification, and what is wrong with one."""

from collections.abc import Sequence

from apimachinery.apis.core import container, pod_resources, pod_scheduling, pod_warnings, security_context, volume
from apimachinery.apis.field_rules import Errors, ip_address, non_negative, obeys, one_of, optional_one_of
from apimachinery.apis.object_meta import validate_annotations, validate_labels
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, not_found, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.pods import qos_class

_GRACE_SECONDS = 30
_NOT_EPHEMERAL = (
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
)
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def apply_spec_defaults(spec: Obj) -> None:
    """Fill in a pod specification, in place."""
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if "terminationGracePeriodSeconds" not in spec:
        spec["terminationGracePeriodSeconds"] = _GRACE_SECONDS
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if "securityContext" not in spec:
        spec["securityContext"] = {}
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    host_network = spec.get("hostNetwork")
    for field in _CONTAINERS:
        for one in spec.get(field) or ():
            container.apply_defaults(one)
            if host_network:
                for port in one.get("ports") or ():
                    if not port.get("hostPort") and port.get("containerPort"):
                        port["hostPort"] = port["containerPort"]
    for one in spec.get("volumes") or ():
        volume.apply_defaults(one)


def apply_template_defaults(template: Obj | None) -> None:
    """Fill in a pod template, in place."""
    if template is not None:
        template.setdefault("metadata", {})
        apply_spec_defaults(template.setdefault("spec", {}))


def apply_defaults(pod: Obj) -> None:
    """Fill in a Pod, in place."""
    spec = pod.setdefault("spec", {})
    apply_spec_defaults(spec)
    if "enableServiceLinks" not in spec:
        spec["enableServiceLinks"] = True
    for field in ("containers", "initContainers"):
        for one in spec.get(field) or ():
            if one["resources"]:
                container.request_from_limits(one)
    if "resources" in spec:
        container.request_from_limits(spec)
    pod.setdefault("status", {})


# -- validation --------------------------------------------------------------------------------------------------------

_SPEC = FieldPath("spec")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_MOST_SERVERS, _MOST_SEARCHES, _MOST_SEARCH_CHARACTERS = 3, 32, 2048
_MOST_DEADLINE = 2**31 - 1
_RESIZABLE = ("cpu", "memory")


def validate_spec(spec: Obj, path: FieldPath = _SPEC, *, restart_policies: Sequence[str] = _RESTART_POLICIES) -> Errors:
    """What is wrong with a pod specification."""
    errors = volume.validate_all(spec.get("volumes"), path.child("volumes")) if spec.get("volumes") else []
    volumes = frozenset(one.get("name", "") for one in spec.get("volumes") or ())
    errors.extend(_containers(spec, volumes, path))
    errors.extend(one_of(spec.get("restartPolicy"), path.child("restartPolicy"), restart_policies))
    errors.extend(one_of(spec.get("dnsPolicy"), path.child("dnsPolicy"), _DNS_POLICIES))
    errors.extend(non_negative(spec.get("terminationGracePeriodSeconds"), path.child("terminationGracePeriodSeconds")))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MOST_DEADLINE:
        told = "must be between 1 and 2147483647, inclusive"
        errors.append(invalid(path.child("activeDeadlineSeconds"), deadline, told))
    if spec.get("nodeSelector"):
        errors.extend(validate_labels(spec["nodeSelector"], path.child("nodeSelector")))
    if spec.get("securityContext"):
        errors.extend(security_context.validate_pod(spec["securityContext"], spec, path.child("securityContext")))
    errors.extend(_names(spec, path))
    errors.extend(pod_scheduling.validate(spec, path))
    if spec.get("dnsConfig") or spec.get("dnsPolicy") == "None":
        errors.extend(_dns(spec, path))
    errors.extend(_resources(spec, path))
    return errors


def _resources(spec: Obj, path: FieldPath) -> Errors:
    """What is wrong with what the pod as a whole asks for."""
    errors: Errors = []
    if spec.get("overhead"):
        errors.extend(container.validate_resources({"limits": spec["overhead"]}, path.child("overhead"), whole=True))
    if spec.get("resources"):
        errors.extend(pod_resources.validate(spec, path.child("resources")))
    if spec.get("resourceClaims"):
        errors.extend(pod_resources.validate_claims(spec["resourceClaims"], path.child("resourceClaims")))
    system = (spec.get("os") or {}).get("name") if "os" in spec else "linux"
    errors.extend(one_of(system, path.child("os", "name"), ("linux", "windows")))
    return errors


def _containers(spec: Obj, volumes: frozenset[str], path: FieldPath) -> Errors:
    errors: Errors = []
    if not spec.get("containers"):
        errors.append(required(path.child("containers")))
    seen: set[str] = set()
    host_ports: set[tuple[str, str, int]] = set()
    for field in _CONTAINERS:
        for position, one in enumerate(spec.get(field) or ()):
            here = path.child(field).index(position)
            if field == "ephemeralContainers":
                errors.extend(_ephemeral(one, here))
            errors.extend(container.validate(one, spec, volumes, here, init=field == "initContainers"))
            name = one.get("name")
            if name and name in seen:
                errors.append(duplicate(here.child("name"), name))
            seen.add(name or "")
            if field == "containers":
                errors.extend(_host_ports(one, host_ports, here, host_network=bool(spec.get("hostNetwork"))))
    return errors


def _ephemeral(one: Obj, path: FieldPath) -> Errors:
    told = "cannot be set for an Ephemeral Container"
    return [forbidden(path.child(field), told) for field in _NOT_EPHEMERAL if one.get(field)]


def _host_ports(one: Obj, taken: set[tuple[str, str, int]], path: FieldPath, *, host_network: bool) -> Errors:
    errors: Errors = []
    for position, port in enumerate(one.get("ports") or ()):
        number = port.get("hostPort")
        if not number:
            continue
        here = path.child("ports").index(position).child("hostPort")
        key = (port.get("protocol", "TCP"), port.get("hostIP") or "", number)
        if key in taken:
            errors.append(duplicate(here, f"{key[0]}/{key[1]}/{number}"))
        taken.add(key)
        if host_network and number != port.get("containerPort"):
            told = "must match `containerPort` when `hostNetwork` is true"
            errors.append(invalid(here, number, told))
    return errors


def _names(spec: Obj, path: FieldPath) -> Errors:
    errors = obeys(spec.get("serviceAccountName"), path.child("serviceAccountName"), names.dns1123_subdomain_problems)
    errors.extend(obeys(spec.get("nodeName"), path.child("nodeName"), names.dns1123_subdomain_problems))
    errors.extend(obeys(spec.get("hostname"), path.child("hostname"), names.dns1123_label_problems))
    errors.extend(obeys(spec.get("subdomain"), path.child("subdomain"), names.dns1123_label_problems))
    policy = spec.get("preemptionPolicy")
    errors.extend(optional_one_of(policy, path.child("preemptionPolicy"), ("Never", "PreemptLowerPriority")))
    for field in ("priorityClassName", "runtimeClassName"):
        errors.extend(obeys(spec.get(field), path.child(field), names.dns1123_subdomain_problems))
    for position, one in enumerate(spec.get("imagePullSecrets") or ()):
        if not one.get("name"):
            errors.append(required(path.child("imagePullSecrets").index(position).child("name")))
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        here = path.child("hostAliases").index(position)
        errors.extend(ip_address(alias.get("ip"), here.child("ip")))
        for host in alias.get("hostnames") or ():
            errors.extend(obeys(host, here.child("hostnames"), names.dns1123_subdomain_problems))
    for position, gate in enumerate(spec.get("readinessGates") or ()):
        here = path.child("readinessGates").index(position).child("conditionType")
        errors.extend(obeys(gate.get("conditionType"), here, names.qualified_name_problems))
    return errors


def _dns(spec: Obj, path: FieldPath) -> Errors:
    config = spec.get("dnsConfig") or {}
    servers = config.get("nameservers") or []
    here = path.child("dnsConfig")
    errors: Errors = []
    if spec.get("dnsPolicy") == "None" and not servers:
        told = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        errors.append(required(here.child("nameservers") if config else here, told))
    if len(servers) > _MOST_SERVERS:
        told = f"must not have more than {_MOST_SERVERS} nameservers"
        errors.append(invalid(here.child("nameservers"), servers, told))
    for position, server in enumerate(servers):
        errors.extend(ip_address(server, here.child("nameservers").index(position)))
    searches = config.get("searches") or []
    if len(searches) > _MOST_SEARCHES:
        told = f"must not have more than {_MOST_SEARCHES} search paths"
        errors.append(invalid(here.child("searches"), searches, told))
    if len(" ".join(searches)) > _MOST_SEARCH_CHARACTERS:
        told = f"must not have more than {_MOST_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        errors.append(invalid(here.child("searches"), searches, told))
    for position, search in enumerate(searches):
        errors.extend(
            invalid(here.child("searches").index(position), search, problem)
            for problem in ([] if search == "." else names.dns1123_subdomain_problems(search.removesuffix(".")))
        )
    errors.extend(
        required(here.child("options").index(position), "must not be empty")
        for position, option in enumerate(config.get("options") or ())
        if not option.get("name")
    )
    return errors


def validate_template(
    template: Obj | None, path: FieldPath, *, restart_policies: Sequence[str] = _RESTART_POLICIES
) -> Errors:
    """What is wrong with a pod template."""
    if template is None:
        return [required(path)]
    metadata = template.get("metadata") or {}
    errors = validate_labels(metadata.get("labels"), path.child("metadata", "labels"))
    errors.extend(validate_annotations(metadata.get("annotations"), path.child("metadata", "annotations")))
    errors.extend(validate_spec(template.get("spec") or {}, path.child("spec"), restart_policies=restart_policies))
    if (template.get("spec") or {}).get("ephemeralContainers"):
        told = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(path.child("spec", "ephemeralContainers"), told))
    return errors


def validate(pod: Obj) -> Errors:
    """What is wrong with a new Pod."""
    spec = pod.get("spec") or {}
    errors = validate_spec(spec)
    if spec.get("ephemeralContainers"):
        told = "cannot be set on create"
        errors.append(forbidden(_SPEC.child("ephemeralContainers"), told))
    if spec.get("schedulingGates") and spec.get("nodeName"):
        told = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden(_SPEC.child("nodeName"), told))
    return errors


_UPDATABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_GATED = ("nodeSelector", "affinity")


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a Pod that replaces another: hardly anything may change."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate_spec(after)
    for field in ("containers", "initContainers"):
        if len(after.get(field) or ()) != len(before.get(field) or ()):
            errors.append(forbidden(_SPEC.child(field), "pod updates may not add or remove containers"))
            return errors
    errors.extend(_deadline_update(after, before))
    old_tolerations, new_tolerations = before.get("tolerations") or [], after.get("tolerations") or []
    kept = [{**one, "tolerationSeconds": 0} for one in new_tolerations]
    if any(one not in new_tolerations and {**one, "tolerationSeconds": 0} not in kept for one in old_tolerations):
        told = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(forbidden(_SPEC.child("tolerations"), told))
    gates, old_gates = after.get("schedulingGates") or [], before.get("schedulingGates") or []
    if any(one not in old_gates for one in gates):
        told = "only deletion is allowed, but found new scheduling gate"
        errors.append(forbidden(_SPEC.child("schedulingGates"), told))
    allowed = {
        **after,
        **{field: before.get(field) for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates")},
    }
    if old_gates:
        errors.extend(pod_scheduling.validate_gated(after, before))
        allowed.update({field: before.get(field) for field in _GATED})
    for field in ("containers", "initContainers"):
        if after.get(field):
            allowed[field] = [
                {**one, "image": was.get("image")} for one, was in zip(after[field], before[field], strict=True)
            ]
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and after.get("terminationGracePeriodSeconds") == 1:
        allowed["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    if {key: value for key, value in allowed.items() if value is not None} != before:
        errors.append(forbidden(_SPEC, _UPDATABLE))
    return errors


def _deadline_update(after: Obj, before: Obj) -> Errors:
    new, old = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    here = _SPEC.child("activeDeadlineSeconds")
    if old is not None:
        if new is None:
            return [invalid(here, None, "must not update from a positive integer to nil value")]
        if new > old:
            return [invalid(here, new, "must be less than or equal to previous value")]
    return []


def validate_ephemeral_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a write through `ephemeralcontainers`: they can only be added."""
    here = _SPEC.child("ephemeralContainers")
    spec = new.get("spec") or {}
    volumes = frozenset(one.get("name", "") for one in spec.get("volumes") or ())
    given = {one.get("name"): one for one in spec.get("ephemeralContainers") or ()}
    taken = {one.get("name") for field in ("containers", "initContainers") for one in spec.get(field) or ()}
    errors: Errors = []
    for position, one in enumerate(spec.get("ephemeralContainers") or ()):
        where = here.index(position)
        errors.extend(_ephemeral(one, where))
        errors.extend(container.validate(one, spec, volumes, where))
        if one.get("name") in taken:
            errors.append(duplicate(where.child("name"), one.get("name")))
        taken.add(one.get("name"))
        target = one.get("targetContainerName")
        if target and target not in {other.get("name") for other in spec.get("containers") or ()}:
            errors.append(not_found(where.child("targetContainerName"), target))
    for was in (old.get("spec") or {}).get("ephemeralContainers") or ():
        name = was.get("name")
        if name not in given:
            errors.append(forbidden(here, f'existing ephemeral containers "{name}" may not be removed'))
        elif given[name] != was:
            errors.append(forbidden(here, f'existing ephemeral containers "{name}" may not be changed'))
    return errors


def validate_resize(new: Obj, old: Obj) -> Errors:
    """What is wrong with a write through `resize`: only CPU and memory may change, and not the QoS class."""
    errors: Errors = []
    now, was = qos_class(new), qos_class(old)
    if now != was:
        told = "Pod QOS Class may not change as a result of resizing"
        errors.append(invalid(FieldPath("metadata"), was, told))
    for field in ("containers", "initContainers"):
        pairs = zip((new.get("spec") or {}).get(field) or (), (old.get("spec") or {}).get(field) or (), strict=False)
        for position, (after, before) in enumerate(pairs):
            here = _SPEC.child(field).index(position).child("resources")
            errors.extend(container.validate_resources(after.get("resources"), here))
            errors.extend(_resized(after.get("resources") or {}, before.get("resources") or {}, here))
    return errors


def _resized(after: Obj, before: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    for kind in ("limits", "requests"):
        new, old = after.get(kind) or {}, before.get(kind) or {}
        if any(name not in _RESIZABLE and new.get(name) != old.get(name) for name in {*new, *old}):
            errors.append(forbidden(here, "only cpu and memory resources are mutable"))
        gone = [name for name in _RESIZABLE if name in old and name not in new]
        if gone:
            errors.append(forbidden(here.child(kind), f"resource {kind} cannot be removed"))
    return errors


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a Pod."""
    return pod_warnings.pod_warnings(obj)
