from cri.oci_spec import clamps, resources
from protocols.cri import api_pb2 as api

HOST = clamps.HostFacts(machine="x86_64", bounding=frozenset(), oom_score_adj=0, rlimits={}, swap_accounting=True)


def test_only_what_is_asked_is_set() -> None:
    assert resources.linux_resources(api.LinuxContainerResources(), HOST) == {}
    asked = api.LinuxContainerResources(cpu_shares=2, cpu_quota=-1, cpuset_cpus="0", memory_limit_in_bytes=1 << 30)
    assert resources.linux_resources(asked, HOST, pids_limit=9) == {
        "cpu": {"shares": 2, "quota": -1, "cpus": "0"},
        "memory": {"limit": 1 << 30, "swap": 1 << 30},
        "pids": {"limit": 9},
    }


def test_a_limit_that_nothing_could_start_in_is_raised() -> None:
    asked = api.LinuxContainerResources(memory_limit_in_bytes=4096)
    assert resources.linux_resources(asked, HOST)["memory"]["limit"] == 512 * 1024


def test_huge_pages_and_unified_settings() -> None:
    asked = api.LinuxContainerResources(unified={"memory.high": "1"})
    asked.hugepage_limits.add(page_size="2MB", limit=0)
    assert resources.linux_resources(asked, HOST) == {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}


def test_an_update_changes_what_it_names() -> None:
    before = api.LinuxContainerResources(cpu_shares=5, memory_limit_in_bytes=7, unified={"a": "1"})
    after = resources.merged(before, api.LinuxContainerResources(cpu_shares=6, unified={"b": "2"}))
    assert (after.cpu_shares, after.memory_limit_in_bytes, dict(after.unified)) == (6, 7, {"b": "2"})
    assert before.cpu_shares == 5
