"""What keeps an extension server from being reached, in upstream's words."""

import pytest

from apiserver.aggregator.availability import problem

TARGET = {"namespace": "kube-system", "name": "metrics", "port": 443}
SUBJECT = 'service/metrics in "kube-system"'


def service(**spec):
    return {"spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443}], **spec}}


def endpoint_slice(ready, port="https"):
    endpoint = {"addresses": ["10.0.0.1"], "conditions": {} if ready is None else {"ready": ready}}
    return {"endpoints": [endpoint], "ports": [{"name": port, "port": 4443}]}


@pytest.mark.parametrize(
    ("found", "slices", "reason", "message"),
    [
        (None, [], "ServiceNotFound", f"{SUBJECT} is not present"),
        (service(ports=[{"port": 80}]), [], "ServicePortError", f"{SUBJECT} is not listening on port 443"),
        (service(), [], "EndpointsNotFound", f"cannot find endpointslices for {SUBJECT}"),
        (
            service(),
            [endpoint_slice(False), endpoint_slice(True, "other")],
            "MissingEndpoints",
            f'endpointslices for {SUBJECT} have no addresses with port name "https"',
        ),
    ],
)
def test_reasons(found, slices, reason, message):
    assert problem(TARGET, found, slices) == (reason, message)


@pytest.mark.parametrize(
    ("found", "slices"),
    [
        (service(), [endpoint_slice(False), endpoint_slice(True)]),
        (service(), [endpoint_slice(None)]),
        (service(type="ExternalName", ports=[]), []),
    ],
)
def test_nothing_is_in_the_way(found, slices):
    assert problem(TARGET, found, slices) is None
