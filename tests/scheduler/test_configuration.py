import pytest

from scheduler.configuration import ConfigurationError, load, parse
from scheduler.cycle import schedule
from tests.scheduler.builders import node, pod, snapshot


def names(plugins):
    return [plugin.name for plugin in plugins]


def test_the_defaults_are_upstreams():
    profile = parse({}).profiles["default-scheduler"]
    assert {p.name: weight for p, weight in profile.scorers} == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "NodeResourcesFit": 1,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }
    assert names(profile.gates) == ["SchedulingGates"]
    assert profile.volumes is not None
    assert profile.preemption


def test_profiles_switch_plugins_off_and_weigh_them():
    document = {
        "profiles": [
            {"schedulerName": "default-scheduler"},
            {
                "schedulerName": "packing",
                "plugins": {
                    "filter": {"disabled": [{"name": "TaintToleration"}]},
                    "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit", "weight": 7}]},
                    "postFilter": {"disabled": [{"name": "DefaultPreemption"}]},
                },
                "pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "MostAllocated"}}}],
            },
        ]
    }
    profile = parse(document).profiles["packing"]
    assert "TaintToleration" not in names(profile.filters)
    assert [(p.name, weight) for p, weight in profile.scorers] == [("NodeResourcesFit", 7)]
    assert not profile.preemption
    snap = snapshot(node("a"), node("b"), pods=[pod("x", cpu="2", memory="2Gi", node="b")])
    for rotation in range(2):
        assert schedule(profile, pod(cpu="1", memory="1Gi"), snap, rotation).node_name == "b"


def test_requested_to_capacity_ratio_follows_its_shape():
    shape = [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
    strategy = {"type": "RequestedToCapacityRatio", "requestedToCapacityRatio": {"shape": shape}}
    document = {"profiles": [{"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": strategy}}]}]}
    profile = parse(document).profiles["default-scheduler"]
    fit = next(p for p, _ in profile.scorers if p.name == "NodeResourcesFit")
    snap = snapshot(pods=[pod("x", cpu="1", memory="2Gi", node="n1")])
    assert fit.score(None, pod(cpu="1", memory="2Gi"), snap.nodes["n1"]) == 50


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"extenders": [{"urlPrefix": "http://x"}]}, "extenders"),
        ({"profiles": [{"plugins": {"filter": {"disabled": [{"name": "Nope"}]}}}]}, "'Nope'"),
        ({"profiles": [{}, {}]}, "duplicate"),
        ({"podInitialBackoffSeconds": 20, "podMaxBackoffSeconds": 10}, "podMaxBackoffSeconds"),
    ],
)
def test_what_it_cannot_honour_is_refused(document, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        parse(document)


def test_files(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        "clientConnection: {kubeconfig: /etc/k.conf}\npodMaxBackoffSeconds: 30\n"
    )
    loaded = load(str(path))
    assert (loaded.kubeconfig, loaded.max_backoff) == ("/etc/k.conf", 30.0)
    for text in ("kind: Pod\napiVersion: v1\n", "- a\n", "a: [\n"):
        path.write_text(text)
        with pytest.raises(ConfigurationError):
            load(str(path))
    with pytest.raises(ConfigurationError):
        load(str(tmp_path / "missing"))
