import errno

import pytest

from linux import addresses, conntrack, netns, nftables

pytestmark = pytest.mark.live


@pytest.fixture(params=["library", "program"], autouse=True)
def host(tmp_path, request, monkeypatch):
    if request.param == "program":
        monkeypatch.setitem(nftables._STATE, "library", None)
    path = str(tmp_path / "host")
    netns.pin("net", path)
    with netns.entered(path):
        yield path
    netns.unpin(path)


def test_a_transaction_is_whole_or_nothing():
    nftables.run("add table inet mkt; add set inet mkt s { type ipv4_addr; }")
    with pytest.raises(nftables.NftablesError, match="No such file") as failure:
        nftables.run("add element inet mkt s { 10.0.0.1 }\ndelete table inet mktnope")
    assert failure.value.errno == errno.ENOENT
    assert nftables.set_elements("inet", "mkt", "s") == []
    nftables.run("add element inet mkt s { 10.0.0.1 }")
    assert nftables.set_elements("inet", "mkt", "s") == ["10.0.0.1"]
    assert nftables.table_exists("inet", "mkt")
    assert nftables.list_tables("inet") == [("inet", "mkt")]
    nftables.delete_table("inet", "mkt")
    nftables.delete_table("inet", "mkt")
    assert nftables.list_tables() == []
    assert nftables.map_elements("inet", "mkt", "m") == []


def test_errors_have_numbers():
    nftables.run("add table inet mkt; add map inet mkt m { type ipv4_addr : verdict; }")
    nftables.run("create element inet mkt m { 10.0.0.1 : drop }")
    with pytest.raises(nftables.NftablesError) as failure:
        nftables.run("create element inet mkt m { 10.0.0.1 : drop }")
    assert failure.value.errno == errno.EEXIST
    with pytest.raises(nftables.NftablesError, match="syntax error") as failure:
        nftables.run("this is nothing")
    assert failure.value.errno == errno.EINVAL


def test_conntrack_of_a_namespace_without_flows():
    assert conntrack.flows() == []
    assert conntrack.delete_flows("udp", family=addresses.AF_INET6, destination_ports={53}) == 0
