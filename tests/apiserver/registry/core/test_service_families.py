"""IP families of Services on clusters of one and of two families."""

import pytest

from apiserver.registry.core.service_families import settle

ONE, TWO = ("IPv4",), ("IPv4", "IPv6")
V4, V6 = "10.0.0.1", "fd00::1"
SELECTOR = {"selector": {"a": "b"}}


def settled(spec, before=None, configured=TWO):
    made = {**SELECTOR, **spec}
    errors = settle(made, before or {}, configured)
    return [str(one) for one in errors] or (made["ipFamilyPolicy"], made["ipFamilies"], made.get("clusterIPs"))


@pytest.mark.parametrize(
    ("spec", "configured", "result"),
    [
        ({}, TWO, ("SingleStack", ["IPv4"], None)),
        ({"ipFamilyPolicy": "PreferDualStack"}, ONE, ("PreferDualStack", ["IPv4"], None)),
        ({"ipFamilyPolicy": "PreferDualStack"}, TWO, ("PreferDualStack", ["IPv4", "IPv6"], None)),
        (
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]},
            TWO,
            ("RequireDualStack", ["IPv6", "IPv4"], None),
        ),
        ({"clusterIPs": [V6]}, TWO, ("SingleStack", ["IPv6"], [V6])),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, TWO, ("SingleStack", ["IPv4"], ["None"])),
        (
            {"clusterIP": "None", "clusterIPs": ["None"], "selector": None},
            ONE,
            ("RequireDualStack", ["IPv4", "IPv6"], ["None"]),
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            ONE,
            [
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
                "services"
            ],
        ),
        ({"ipFamilies": ["IPv6"]}, ONE, ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']),
        (
            {"clusterIPs": [V6]},
            ONE,
            ['spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster'],
        ),
        (
            {"ipFamilies": ["IPv4", "IPv6"]},
            TWO,
            [
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' "
                "when multiple IP families are specified"
            ],
        ),
    ],
)
def test_a_new_service(spec, configured, result):
    assert settled(spec, configured=configured) == result


DUAL = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"], "clusterIPs": [V4, V6]}
SINGLE = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": [V4]}


@pytest.mark.parametrize(
    ("spec", "before", "result"),
    [
        ({**DUAL, "ipFamilyPolicy": None}, DUAL, ("PreferDualStack", ["IPv4", "IPv6"], [V4, V6])),
        ({**DUAL, "ipFamilyPolicy": "SingleStack"}, DUAL, ("SingleStack", ["IPv4"], [V4])),
        ({**SINGLE, "ipFamilyPolicy": "PreferDualStack"}, SINGLE, ("PreferDualStack", ["IPv4", "IPv6"], [V4])),
        (
            {**DUAL, "clusterIPs": [V4]},
            DUAL,
            [
                "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the "
                "secondary cluster IP"
            ],
        ),
    ],
)
def test_a_changed_service(spec, before, result):
    assert settled(spec, before) == result
