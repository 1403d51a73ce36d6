"""Workloads: the pod template is the meaning that generations count; status writes don't change labels."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.apis.batch.job import generated_labels
from apimachinery.objects.metadata import Obj
from apiserver.registry import generic
from apiserver.registry.graceful_delete import names_policy
from apiserver.registry.strategy import Call, Strategy, Subresource

_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


def _status(new: Obj, old: Obj, call: Call) -> None:
    generic.only_status(new, old, call)
    labels = old["metadata"].get("labels")
    if labels is not None:
        new["metadata"]["labels"] = labels
    else:
        new["metadata"].pop("labels", None)


_STATUS = Subresource(prepare=_status)


def strategy(base: Strategy) -> Strategy:
    """Return the strategy of sets."""
    return replace(base, subresources={**base.subresources, "status": generic.STATUS})


def _update_deployment(new: Obj, old: Obj, call: Call) -> None:
    generic.count_generation(new, old, call)
    if (new["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {}):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def deployment_strategy(base: Strategy) -> Strategy:
    """Return the strategy of deployments: a changed annotation counts as a generation, too (as upstream)."""
    return replace(base, prepare_update=_update_deployment, subresources={"status": _STATUS})


def _create_job(obj: Obj, call: Call) -> None:
    """Generate the selector and the labels that tie a Job to its Pods."""
    generic.first_generation(obj, call)
    spec = obj.get("spec") or {}
    if spec.get("manualSelector"):
        return
    uid, name = obj["metadata"]["uid"], obj["metadata"].get("name", "")
    template = spec.setdefault("template", {})
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    for label, value in generated_labels(uid, name).items():
        labels.setdefault(label, value)  # one that differs is told by validation
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector.setdefault("batch.kubernetes.io/controller-uid", uid)


def _warn_of_orphans(_: Obj, call: Call) -> None:
    if not names_policy(call.options):
        call.warnings.append(_ORPHANS)


def job_strategy(base: Strategy) -> Strategy:
    """Return the strategy of jobs; their pods stay by default, as in upstream's first versions."""
    return replace(base, prepare_create=_create_job, before_delete=_warn_of_orphans, orphans=True)


def controller_strategy(base: Strategy) -> Strategy:
    """Return the strategy of replication controllers; their pods stay by default, as in upstream's first versions."""
    return replace(strategy(base), orphans=True)


def _create_request(obj: Obj, call: Call) -> None:
    """Tell who asks, as authenticated; nobody may claim to be somebody else."""
    obj.pop("status", None)
    spec, user = obj.setdefault("spec", {}), call.user
    spec["username"] = user.name
    for key, value in (("uid", user.uid), ("groups", list(user.groups))):
        if value:
            spec[key] = value
        else:
            spec.pop(key, None)
    extra = {key: list(values) for key, values in user.extra.items()}
    if extra:
        spec["extra"] = extra
    else:
        spec.pop("extra", None)


def _update_request(new: Obj, old: Obj, call: Call) -> None:
    generic.keep_status(new, old, call)
    new["spec"] = old.get("spec")


def _deciding(conditions: list[Obj] | None) -> dict[str, Obj]:
    return {one["type"]: one for one in conditions or () if one.get("type") in ("Approved", "Denied")}


def _request_status(new: Obj, old: Obj, call: Call) -> None:
    """A status write leaves the decision as it stands."""
    generic.only_status(new, old, call)
    status, stands = new.setdefault("status", {}), _deciding((old.get("status") or {}).get("conditions"))
    given: list[Obj] = status.get("conditions") or []
    claimed = _deciding(given)
    kept = [
        stands.get(one.get("type", ""), one) for one in given if one.get("type") not in claimed.keys() - stands.keys()
    ]
    kept += [one for kind, one in stands.items() if kind not in claimed]
    if kept:
        status["conditions"] = kept
    _stamp(new, call)


def _approval(new: Obj, old: Obj, call: Call) -> None:
    """An approval writes conditions and nothing else."""
    generic.only_status(new, old, call)
    given = (new.get("status") or {}).get("conditions")
    new["status"] = {**(old.get("status") or {}), **({"conditions": given} if given else {})}
    if not given:
        new["status"].pop("conditions", None)
    _stamp(new, call)


def _stamp(new: Obj, call: Call) -> None:
    for condition in new["status"].get("conditions") or []:
        condition.setdefault("lastUpdateTime", call.now)
        condition.setdefault("lastTransitionTime", call.now)


def certificate_signing_request_strategy(base: Strategy) -> Strategy:
    """Return the strategy of certificate signing requests."""
    return replace(
        base,
        prepare_create=_create_request,
        prepare_update=_update_request,
        subresources={"status": Subresource(prepare=_request_status), "approval": Subresource(prepare=_approval)},
    )
