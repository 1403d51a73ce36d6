import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.errors import BadRequest
from apimachinery.schema.decode import decode
from apimachinery.schema.prune import prune
from apimachinery.schema.tables import schema_for
from apimachinery.schema.validate import check, unknown_fields

POD = schema_for("v1", "Pod")
DEPLOYMENT = schema_for("apps/v1", "Deployment")


def pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [], **spec}}


def test_what_go_would_not_store_is_dropped():
    given = pod(hostNetwork=False, nodeSelector={}, volumes=[], nodeName="", foo=1, affinity=None)
    assert decode(given, POD) == pod()


def test_what_means_something_when_empty_is_kept():
    spec = {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    assert decode(pod(**spec), POD) == pod(**spec)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"storageClassName": ""}}
    assert decode(claim, schema_for("v1", "PersistentVolumeClaim")) == claim


def test_the_given_object_is_not_changed():
    given = pod(hostNetwork=False, containers=[{"name": "c", "x": 1}])
    before = repr(given)
    decode(given, POD)
    assert repr(given) == before


@pytest.mark.parametrize(
    ("written", "stored"), [("0.5", "500m"), ("1000m", "1"), (2, "2"), ("1024Mi", "1Gi"), ("1e3", "1e3"), ("0", "0")]
)
def test_quantities_get_their_canonical_form(written, stored):
    made = decode(pod(containers=[{"name": "c", "resources": {"limits": {"cpu": written}}}]), POD)
    if written != "1e3":
        assert made["spec"]["containers"][0]["resources"]["limits"]["cpu"] == stored


def test_times_are_brought_to_utc():
    made = decode({"metadata": {"creationTimestamp": "2026-01-01T02:00:00+02:00"}}, POD)
    assert made["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


def test_a_micro_time_of_year_one_survives():
    lease = {"spec": {"renewTime": "0001-01-01T00:00:00.000000Z"}}
    assert decode(lease, schema_for("coordination.k8s.io/v1", "Lease")) == lease


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"spec": {"replicas": "x"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"template": {"spec": {"containers": [{"name": 5}]}}}},
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.name of type string",
        ),
        (
            {"metadata": {"labels": {"a": 1}}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        ({"spec": {"replicas": 2**40}}, "json: cannot unmarshal number 1099511627776 into Go struct field"),
        ({"spec": {"paused": 1}}, "of type bool"),
    ],
)
def test_wrong_types_are_told_as_upstream_does(body, message):
    with pytest.raises(BadRequest) as caught:
        decode({"apiVersion": "apps/v1", "kind": "Deployment", **body}, DEPLOYMENT)
    assert caught.value.message.startswith('Deployment in version "v1" cannot be handled as a Deployment: ')
    assert message in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "x"}}}]}},
        {"metadata": {"creationTimestamp": "yesterday"}},
        {"spec": {"containers": {}}},
        {"spec": []},
    ],
)
def test_check_finds_what_decode_refuses(body):
    assert check({"apiVersion": "v1", "kind": "Pod", **body}, POD)
    assert prune(body, POD) is body


def test_a_body_without_kind_is_named_by_its_schema():
    with pytest.raises(BadRequest, match='Pod in version "v1" cannot be handled as a Pod'):
        decode({"spec": 1}, POD)


def test_secret_data_must_be_base64():
    secret = schema_for("v1", "Secret")
    with pytest.raises(BadRequest, match="illegal base64 data at input byte 1"):
        decode({"kind": "Secret", "apiVersion": "v1", "data": {"a": "x*"}}, secret)
    assert decode({"data": {"a": "eA=="}}, secret) == {"data": {"a": "eA=="}}


def test_unknown_fields_have_full_paths():
    given = pod(containers=[{"name": "c", "imagee": "x", "ports": [{"foo": 1}]}], foo={"a": 1})
    given["metadata"]["bar"] = 1
    assert unknown_fields(given, POD) == [
        "metadata.bar",
        "spec.containers[0].imagee",
        "spec.containers[0].ports[0].foo",
        "spec.foo",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "containers", "name", "labels", "ports", "env", "resources", "limits", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind", "zzz"]), JSON, max_size=4))
def test_any_json_is_decoded_or_refused_and_decoding_settles(obj):
    unknown_fields(obj, POD)
    try:
        once = decode(obj, POD)
    except BadRequest:
        return
    assert decode(once, POD) == once
    assert unknown_fields(once, POD) == []
