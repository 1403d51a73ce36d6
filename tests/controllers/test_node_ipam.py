import ipaddress

import pytest

from controllers.node_ipam import NoShareError, masks, ranges, share
from controllers.options import Options


def first(whole, mask, *taken):
    return str(share(ipaddress.ip_network(whole), mask, [ipaddress.ip_network(one) for one in taken]))


@pytest.mark.parametrize(
    ("whole", "mask", "taken", "expected"),
    [
        ("10.244.0.0/16", 24, [], "10.244.0.0/24"),
        ("10.244.0.0/16", 24, ["10.244.0.0/24", "10.244.2.0/24"], "10.244.1.0/24"),
        ("10.244.0.0/16", 24, ["10.244.0.0/20"], "10.244.16.0/24"),
        ("10.244.0.0/24", 24, [], "10.244.0.0/24"),
        ("10.244.0.0/26", 24, [], "10.244.0.0/26"),
        ("fd00::/48", 64, ["10.244.0.0/24", "fd00::/64"], "fd00:0:0:1::/64"),
    ],
)
def test_the_first_free_share_is_given(whole, mask, taken, expected):
    assert first(whole, mask, *taken) == expected


def test_a_range_that_is_used_up_is_told():
    with pytest.raises(NoShareError):
        first("10.244.0.0/23", 24, "10.244.0.0/24", "10.244.1.0/24")


def test_ranges_and_masks_come_from_the_flags():
    assert [str(one) for one in ranges("10.244.0.0/16, fd00::/48")] == ["10.244.0.0/16", "fd00::/48"]
    assert ranges("") == []
    assert masks(Options()) == {4: 24, 6: 64}
    assert masks(Options(node_cidr_mask_size=26, node_cidr_mask_size_ipv6=80)) == {4: 26, 6: 80}
