"""What clients are warned of in pods and pod templates: allowed, but old, without effect, or surprising."""

from collections.abc import Iterator

from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, parse_quantity

_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "seccomp.security.alpha.kubernetes.io/pod": 'non-functional in v1.27+; use the "seccompProfile" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_ANNOTATION_PREFIXES = {
    "container.seccomp.security.alpha.kubernetes.io/": _ANNOTATIONS["seccomp.security.alpha.kubernetes.io/pod"],
    "container.apparmor.security.beta.kubernetes.io/": (
        'deprecated since v1.30; use the "appArmorProfile" field instead'
    ),
}
_VOLUMES = {
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_TERMS = ("podAffinity", "podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NULL_SELECTOR = "a null labelSelector results in matching no pod"


def pod_warnings(pod: Obj) -> list[str]:
    """What is to be said of a Pod."""
    name = (pod.get("metadata") or {}).get("name") or ""
    problems = names.dns1123_label_problems(name) if name else []
    told = (
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
        f"a DNS label is recommended: [{' '.join(problems)}]"
    )
    return [*([told] if problems else []), *template_warnings(pod, FieldPath())]


def template_warnings(template: Obj | None, path: FieldPath) -> list[str]:
    """What is to be said of metadata and specification at a path."""
    template = template or {}
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    here = path.child("spec")
    return [
        *_annotations(metadata.get("annotations") or {}, path.child("metadata", "annotations")),
        *_spec(spec, here),
        *_scheduling(spec, here),
        *_containers(spec, here),
    ]


def _annotations(annotations: Obj, path: FieldPath) -> Iterator[str]:
    for key in annotations:
        told = _ANNOTATIONS.get(key) or next(
            (text for prefix, text in _ANNOTATION_PREFIXES.items() if key.startswith(prefix)), None
        )
        if told:
            yield f"{path.key(key)}: {told}"


def _spec(spec: Obj, path: FieldPath) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in _LABELS:
            yield f"{path.child('nodeSelector').key(key)}: {_LABELS[key]}"
    for position, volume in enumerate(spec.get("volumes") or ()):
        for kind in volume:
            if kind in _VOLUMES:
                yield f"{path.child('volumes').index(position).child(kind)}: {_VOLUMES[kind]}"
    seen: set[str] = set()
    for position, secret in enumerate(spec.get("imagePullSecrets") or ()):
        where, name = path.child("imagePullSecrets").index(position), secret.get("name") or ""
        if not name:
            yield f'{where}: invalid empty name ""'
        elif name in seen:
            yield f'{where}: duplicate name "{name}"'
        seen.add(name)
    addresses: set[str] = set()
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        address = alias.get("ip") or ""
        if address in addresses:
            yield f'{path.child("hostAliases").index(position).child("ip")}: duplicate ip "{address}"'
        addresses.add(address)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        told = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path.child('terminationGracePeriodSeconds')}: {told}"


def _scheduling(spec: Obj, path: FieldPath) -> Iterator[str]:
    for position, one in enumerate(spec.get("topologySpreadConstraints") or ()):
        here = path.child("topologySpreadConstraints").index(position)
        key = one.get("topologyKey")
        if key in _LABELS:
            yield f"{here.child('topologyKey')}: {key} is {_LABELS[key]}"
        if one.get("labelSelector") is None:
            yield f"{here.child('labelSelector')}: {_NULL_SELECTOR}"
    affinity = spec.get("affinity") or {}
    for kind in _TERMS:
        pods, here = affinity.get(kind) or {}, path.child("affinity", kind)
        terms = [(one, here.child(_REQUIRED).index(number)) for number, one in enumerate(pods.get(_REQUIRED) or ())]
        for number, one in enumerate(pods.get(_PREFERRED) or ()):
            terms.append(
                (one.get("podAffinityTerm") or {}, here.child(_PREFERRED).index(number).child("podAffinityTerm"))
            )
        for term, where in terms:
            if term.get("labelSelector") is None:
                yield f"{where.child('labelSelector')}: {_NULL_SELECTOR}"


def _containers(spec: Obj, path: FieldPath) -> Iterator[str]:
    ports: dict[tuple[object, object, object, object], FieldPath] = {}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for position, container in enumerate(spec.get(field) or ()):
            here = path.child(field).index(position)
            yield from _environment(container.get("env") or [], here.child("env"))
            yield from _fractions(container.get("resources") or {}, here.child("resources"))
            for number, port in enumerate(container.get("ports") or ()):
                key = tuple(port.get(name) for name in ("containerPort", "protocol", "hostPort", "hostIP"))
                where, first = here.child("ports").index(number), ports.get(key)
                if first is not None and field != "initContainers":
                    yield f"{where}: duplicate port definition with {first}"
                ports.setdefault(key, where)


def _environment(variables: list[Obj], path: FieldPath) -> Iterator[str]:
    seen: set[str] = set()
    for position, variable in enumerate(variables):
        name = variable.get("name") or ""
        refers = f"$({name})" in (variable.get("value") or "")
        if name in seen and not refers:
            told = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{path.index(position)}: {told}"
        seen.add(name)


def _fractions(resources: Obj, path: FieldPath) -> Iterator[str]:
    for kind in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            amount = (resources.get(kind) or {}).get(name)
            try:
                fraction = amount is not None and parse_quantity(amount) % 1 != 0
            except QuantityError:  # that is an error, which validation tells
                continue
            if fraction:
                told = f'fractional byte value "{amount}" is invalid, must be an integer'
                yield f"{path.child(kind).key(name)}: {told}"
