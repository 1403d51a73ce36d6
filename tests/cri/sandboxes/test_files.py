import pytest

from cri import errors
from cri.sandboxes import files
from protocols.cri import api_pb2 as api


def test_resolv_conf() -> None:
    dns = api.DNSConfig(servers=["1.1.1.1", "2.2.2.2"], searches=["a", "b"], options=["ndots:5"])
    assert files.resolv_conf(dns) == "search a b\nnameserver 1.1.1.1\nnameserver 2.2.2.2\noptions ndots:5\n"
    assert files.resolv_conf(api.DNSConfig()) == ""
    with pytest.raises(errors.InvalidArgument):
        files.resolv_conf(api.DNSConfig(searches=["a\nnameserver 6.6.6.6"]))


def test_relative_log_directories_are_refused() -> None:
    with pytest.raises(errors.InvalidArgument):
        files.make_log_directory("logs")
