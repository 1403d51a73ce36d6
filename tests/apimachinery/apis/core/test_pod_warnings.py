"""What clients are warned of in pods, in upstream's words."""

import pytest

from apimachinery.apis.core.pod_warnings import pod_warnings

SELECTORLESS = {"topologyKey": "k"}


def pod(container=None, metadata=None, **spec):
    return {
        "metadata": {"name": "p", **(metadata or {})},
        "spec": {"containers": [{"name": "c", "image": "i", **(container or {})}], **spec},
    }


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (pod(), []),
        (
            pod(nodeSelector={"beta.kubernetes.io/arch": "x"}),
            ['spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead'],
        ),
        (
            pod(metadata={"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "x"}}),
            [
                "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "
                '"appArmorProfile" field instead'
            ],
        ),
        (
            pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "A", "value": "$(A)3"}]}),
            ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
        ),
        (
            pod({"ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}]}),
            ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
        ),
        (
            pod({"resources": {"requests": {"memory": "100m"}}}),
            [
                "spec.containers[0].resources.requests[memory]: "
                'fractional byte value "100m" is invalid, must be an integer'
            ],
        ),
        (
            pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}, {}]),
            [
                'spec.imagePullSecrets[1]: duplicate name "a"',
                'spec.imagePullSecrets[2]: invalid empty name ""',
            ],
        ),
        (
            pod(hostAliases=[{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}]),
            ['spec.hostAliases[1].ip: duplicate ip "1.2.3.4"'],
        ),
        (
            pod(volumes=[{"name": "v", "rbd": {}}]),
            ["spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+"],
        ),
        (
            pod(terminationGracePeriodSeconds=-1),
            ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
        ),
        (
            pod(affinity={"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}),
            [
                "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm."
                "labelSelector: a null labelSelector results in matching no pod"
            ],
        ),
        (
            pod(topologySpreadConstraints=[SELECTORLESS]),
            ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
        ),
    ],
)
def test_what_is_told(made, told):
    assert pod_warnings(made) == told


def test_a_name_that_is_no_label_is_told():
    told = pod_warnings(pod(metadata={"name": "a.b"}))
    assert told[0].startswith("metadata.name: this is used in the Pod's hostname, which can result in surprising")
