import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.errors import BadRequest, Conflict
from apimachinery.schema.tables import schema_for
from apiserver.apply.managed_fields import track
from apiserver.apply.merge import LAST_APPLIED, apply

DEPLOYMENT = schema_for("apps/v1", "Deployment")
CONFIG_MAP = schema_for("v1", "ConfigMap")


def deployment(*, replicas=3, image="i", labels=None, containers=None, **spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "ns", **({"labels": labels} if labels else {})},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": containers or [{"name": "c", "image": image, "ports": [{"containerPort": 80}]}]},
            },
            **spec,
        },
    }


def applied(live, config, manager="m", *, force=False, now="T2", **more):
    return apply(live, copy.deepcopy(config), manager=manager, force=force, schema=DEPLOYMENT, now=now, **more)


def owners(obj):
    return {(one["manager"], one["operation"]): one["fieldsV1"] for one in obj["metadata"].get("managedFields", ())}


def test_the_first_apply_owns_what_it_gives():
    made = applied(None, deployment())
    fields = owners(made)["m", "Apply"]
    assert fields["f:spec"]["f:replicas"] == {}
    container = fields["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert container == {
        ".": {},
        "f:image": {},
        "f:name": {},
        "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    }
    assert "f:name" not in fields.get("f:metadata", {})


def test_the_same_apply_changes_nothing():
    once = applied(None, deployment(), now="T1")
    assert applied(once, deployment(), now="T2") == once


def test_a_field_of_another_conflicts():
    live = applied(None, deployment(), now="T1")
    changed = copy.deepcopy(live)
    changed["spec"]["replicas"] = 5
    live = track(live, changed, manager="scaler", schema=DEPLOYMENT, now="T2")
    assert "f:replicas" not in owners(live)["m", "Apply"]["f:spec"]
    with pytest.raises(Conflict) as caught:
        applied(live, deployment())
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas'
    assert caught.value.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "scaler" using apps/v1', "field": ".spec.replicas"}
    ]


def test_force_takes_the_field():
    live = applied(None, deployment())
    changed = {**live, "spec": {**live["spec"], "replicas": 5}}
    live = track(live, changed, manager="scaler", schema=DEPLOYMENT, now="T2")
    made = applied(live, deployment(), force=True)
    assert made["spec"]["replicas"] == 3
    assert list(owners(made)) == [("m", "Apply")]


def test_equal_values_are_owned_together_and_stay_until_the_last_lets_go():
    live = applied(applied(None, deployment()), deployment(), "other")
    assert set(owners(live)) == {("m", "Apply"), ("other", "Apply")}
    live = applied(live, deployment(replicas=None))
    assert live["spec"]["replicas"] == 3
    live = applied(live, deployment(replicas=None), "other")
    assert "replicas" not in live["spec"]


def test_what_is_no_longer_applied_goes():
    live = applied(
        None,
        deployment(labels={"x": "1", "y": "2"}, containers=[{"name": "c", "image": "i"}, {"name": "e", "image": "j"}]),
    )
    live["metadata"]["uid"] = "u"
    made = applied(live, deployment(labels={"x": "1"}, containers=[{"name": "c", "image": "i"}]))
    assert made["metadata"]["labels"] == {"x": "1"}
    assert [one["name"] for one in made["spec"]["template"]["spec"]["containers"]] == ["c"]
    made = applied(made, deployment(containers=[{"name": "c", "image": "i"}]))
    assert "labels" not in made["metadata"]
    assert made["metadata"]["uid"] == "u"
    assert made["metadata"]["name"] == "d"


def test_others_parts_of_an_item_keep_it():
    live = applied(None, deployment(containers=[{"name": "c", "image": "i"}, {"name": "e", "image": "j"}]))
    live = applied(live, deployment(containers=[{"name": "e", "command": ["x"]}]), "other")
    made = applied(live, deployment(containers=[{"name": "c", "image": "i"}]))
    kept = made["spec"]["template"]["spec"]["containers"]
    assert {"name": "e", "command": ["x"]} in kept


def test_atomic_fields_are_owned_whole():
    live = applied(None, deployment())
    with pytest.raises(Conflict, match=r"\.spec\.selector"):
        applied(
            live, deployment() | {"spec": {**deployment()["spec"], "selector": {"matchLabels": {"z": "y"}}}}, "other"
        )


def test_an_object_from_before_is_owned_by_before_first_apply():
    live = {**deployment(), "metadata": {**deployment()["metadata"], "uid": "u"}}
    with pytest.raises(Conflict, match="before-first-apply"):
        applied(live, deployment(replicas=9))
    assert set(owners(applied(live, deployment()))) == {("before-first-apply", "Update"), ("m", "Apply")}


def test_client_side_apply_is_taken_over_by_kubectl():
    config = deployment(image="old")
    live = copy.deepcopy(config)
    live["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(config)}
    live = track(None, live, manager="kubectl-client-side-apply", schema=DEPLOYMENT, now="T1")
    made = applied(live, deployment(image="new"), "kubectl")
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "new"
    assert '"image":"new"' in made["metadata"]["annotations"][LAST_APPLIED]
    with pytest.raises(Conflict):
        applied(live, deployment(image="new"), "someone")


def test_list_items_need_their_keys():
    with pytest.raises(BadRequest) as caught:
        applied(None, deployment(containers=[{"image": "i"}]))
    assert caught.value.message == (
        "failed to create typed patch object (ns/d; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: "
        'associative list with keys has an element that omits key field "name" (and doesn\'t have default value)'
    )


def test_list_items_may_be_given_once():
    with pytest.raises(BadRequest, match=r'\.spec\.template\.spec\.containers: duplicate entries for key \[name="c"\]'):
        applied(None, deployment(containers=[{"name": "c"}, {"name": "c"}]))


def test_new_items_take_the_order_of_the_configuration():
    live = applied(None, deployment(containers=[{"name": "a"}, {"name": "b"}]))
    made = applied(live, deployment(containers=[{"name": "x"}, {"name": "b"}]), "other")
    assert [one["name"] for one in made["spec"]["template"]["spec"]["containers"]] == ["a", "x", "b"]


def test_a_subresource_owns_apart():
    live = applied(None, deployment())
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 1}}
    made = applied(live, status, "m", subresource="status")
    entries = {(one["manager"], one.get("subresource", "")) for one in made["metadata"]["managedFields"]}
    assert entries == {("m", ""), ("m", "status")}


KEYS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), KEYS), min_size=1, max_size=6))
def test_forced_applies_leave_just_what_the_last_configurations_say(steps):
    live = None
    last = {}
    for manager, data in steps:
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c"},
            **({"data": data} if data else {}),
        }
        live = apply(live, config, manager=manager, force=True, schema=CONFIG_MAP, now="T")
        for other, owned in last.items():
            if other != manager:
                last[other] = {key: value for key, value in owned.items() if data.get(key, value) == value}
        last[manager] = data
    wanted = {key: value for owned in last.values() for key, value in owned.items()}
    assert live.get("data", {}) == wanted
