"""What is wrong with where a pod may run, in upstream's words."""

import pytest

from apimachinery.apis.registry import apply_defaults, validate_create, validate_update

NEEDED = "requiredDuringSchedulingIgnoredDuringExecution"
WISHED = "preferredDuringSchedulingIgnoredDuringExecution"
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def pod(**spec):
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns"},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }
    apply_defaults("v1", "Pod", made)
    return made


def node_terms(**term):
    return {"affinity": {"nodeAffinity": {NEEDED: {"nodeSelectorTerms": [term]}}}}


def pod_term(**term):
    return {"affinity": {"podAntiAffinity": {NEEDED: [term]}}}


def spread(**changes):
    return {"topologySpreadConstraints": [SPREAD | changes]}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            node_terms(matchFields=[{"key": "metadata.uid", "operator": "In", "values": ["a"]}]),
            'matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key',
        ),
        (
            node_terms(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]),
            "matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node",
        ),
        (
            node_terms(matchFields=[{"key": "metadata.name", "operator": "Exists"}]),
            'matchFields[0].operator: Invalid value: "Exists": not a valid selector operator',
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {WISHED: [{"weight": 1, "preference": {"matchExpressions": [{"key": ""}]}}]}
                }
            },
            f"spec.affinity.nodeAffinity.{WISHED}[0].preference.matchExpressions[0].operator: Invalid value",
        ),
        (pod_term(topologyKey="-"), f'podAntiAffinity.{NEEDED}[0].topologyKey: Invalid value: "-"'),
        (pod_term(topologyKey="z", namespaces=["A"]), f'podAntiAffinity.{NEEDED}[0].namespace: Invalid value: "A"'),
        (spread(maxSkew=0), "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"),
        (spread(minDomains=0), "topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero"),
        (
            spread(minDomains=2, whenUnsatisfiable="ScheduleAnyway"),
            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
        ),
        (spread(nodeTaintsPolicy="X"), 'nodeTaintsPolicy: Unsupported value: "X": supported values: "Honor", "Ignore"'),
        (
            spread(matchLabelKeys=["a"]),
            "matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
        ),
        (
            spread(matchLabelKeys=["a"], labelSelector={"matchLabels": {"a": "b"}}),
            'matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys and labelSelector',
        ),
        (
            {"topologySpreadConstraints": [SPREAD, SPREAD]},
            '{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"',
        ),
        ({"schedulingGates": [{"name": "a"}, {"name": "a"}]}, 'spec.schedulingGates[1]: Duplicate value: "a"'),
        ({"schedulingGates": [{"name": "-"}]}, 'spec.schedulingGates[0]: Invalid value: "-": name part must consist'),
    ],
)
def test_what_is_wrong(spec, message):
    errors = [str(one) for one in validate_create("v1", "Pod", pod(**spec))]
    assert any(message in one for one in errors), errors


def test_good_terms_pass():
    fine = node_terms(
        matchExpressions=[{"key": "a", "operator": "Gt", "values": ["1"]}],
        matchFields=[{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}],
    )
    assert validate_create("v1", "Pod", pod(**fine, **spread(minDomains=1, nodeAffinityPolicy="Honor"))) == []


def test_a_gated_pod_may_only_be_narrowed():
    gates = {"schedulingGates": [{"name": "a"}]}
    old = pod(**gates, nodeSelector={"a": "b"})
    assert validate_update("v1", "Pod", pod(**gates, nodeSelector={"a": "b", "c": "d"}), old) == []
    errors = validate_update("v1", "Pod", pod(**gates, nodeSelector={"a": "c"}), old)
    assert "only additions to spec.nodeSelector are allowed (no mutations or deletions)" in str(errors[0])
