import pytest

from apimachinery.errors import TooManyRequests
from apiserver.admission.event_rate_limit import EventRateLimit, Limit
from tests.apiserver.admission.plugins import attributes, services
from tests.apiserver.fake_listers import Cluster


def event(name, source="kubelet", about="p"):
    return {"metadata": {"name": name}, "source": {"component": source}, "involvedObject": {"name": about}}


def test_a_bucket_fills_again_with_time():
    clock = [0.0]
    limit = Limit({"type": "Namespace", "qps": 2, "burst": 2}, now=lambda: clock[0])

    def take(namespace="a"):
        return limit.take(attributes(event("e"), "events", namespace=namespace))

    assert [take(), take(), take()] == [None, None, "a"]
    assert take("b") is None
    clock[0] = 0.5
    assert [take(), take()] == [None, "a"]


def test_sources_and_objects_are_told_apart_and_the_least_used_forgotten():
    limit = Limit({"type": "SourceAndObject", "qps": 1, "burst": 1, "cacheSize": 2}, now=lambda: 0.0)

    def take(about):
        return limit.take(attributes(event("e", about=about), "events"))

    assert [take("a"), take("b")] == [None, None]
    assert take("a") is not None
    assert take("c") is None
    assert take("b") is None  # forgotten: a was used since


async def test_the_plugin_answers_with_too_many_requests():
    configuration = {"limits": [{"type": "Server", "qps": 1, "burst": 1}, {"type": "User", "qps": 1, "burst": 1}]}
    plugin = EventRateLimit(services(Cluster(), EventRateLimit=configuration))
    await plugin.validate(attributes(event("a"), "events"))
    with pytest.raises(TooManyRequests) as caught:
        await plugin.validate(attributes(event("b"), "events"))
    assert caught.value.message == ("[limit reached on type Server for key , limit reached on type User for key joe]")
    assert not plugin.handles("CREATE", "pods", "")


@pytest.mark.parametrize(
    "configuration",
    [{}, {"limits": [{"type": "Planet", "qps": 1, "burst": 1}]}, {"limits": [{"type": "User", "qps": 0, "burst": 1}]}],
)
def test_a_configuration_without_sense_is_refused(configuration):
    with pytest.raises(ValueError, match="EventRateLimit"):
        EventRateLimit(services(Cluster(), EventRateLimit=configuration))
