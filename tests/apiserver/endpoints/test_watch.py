"""WATCH over HTTP: order, selectors, bookmarks, streaming lists, expiry."""

from pathlib import Path

import pytest

from tests.apiserver.conftest import Api, Pair, config_map, pod

pytestmark = pytest.mark.live
MERGE = "application/merge-patch+json"


def version(api: Api, path: str) -> str:
    return api.json("GET", path)[1]["metadata"]["resourceVersion"]


def test_events_follow_the_list(api: Api, ns: str):
    start = version(api, f"{ns}/configmaps")
    with api.watch(f"{ns}/configmaps?watch=true&resourceVersion={start}") as watch:
        _, made = api.json("POST", f"{ns}/configmaps", config_map("a"))
        assert watch.next() == ("ADDED", made)
        _, changed = api.json("PATCH", f"{ns}/configmaps/a", {"data": {"x": "1"}}, MERGE)
        assert watch.next() == ("MODIFIED", changed)
        api.json("DELETE", f"{ns}/configmaps/a")
        kind, last = watch.next()
        assert (kind, last["data"]) == ("DELETED", {"x": "1"})
        assert int(last["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


def test_old_versions_replay_everything(api: Api, ns: str):
    start = version(api, f"{ns}/configmaps")
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    api.json("DELETE", f"{ns}/configmaps/a")
    with api.watch(f"{ns}/configmaps?watch=1&resourceVersion={start}") as watch:
        assert [watch.next()[0] for _ in range(2)] == ["ADDED", "DELETED"]


def test_selectors_make_added_and_deleted(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("p", a="1"))
    start = version(api, f"{ns}/pods")
    with api.watch(f"{ns}/pods?watch=1&resourceVersion={start}&labelSelector=a%3D1") as watch:
        api.json("PATCH", f"{ns}/pods/p", {"metadata": {"labels": {"b": "x"}}}, MERGE)
        assert watch.next()[0] == "MODIFIED"
        _, left = api.json("PATCH", f"{ns}/pods/p", {"metadata": {"labels": {"a": "2"}}}, MERGE)
        kind, obj = watch.next()
        assert (kind, obj["metadata"]["labels"]) == ("DELETED", {"a": "1", "b": "x"})
        assert obj["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
        api.json("PATCH", f"{ns}/pods/p", {"metadata": {"labels": {"a": "1"}}}, MERGE)
        assert watch.next()[0] == "ADDED"
    with api.watch(f"{ns}/pods?watch=1&resourceVersion={start}&fieldSelector=spec.nodeName%3Dn") as watch:
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n"}}
        api.json("POST", f"{ns}/pods/p/binding", binding)
        assert watch.next()[0] == "ADDED"


def test_streaming_list_ends_with_its_bookmark(api: Api, ns: str):
    for index in range(70):
        api.json("POST", f"{ns}/configmaps", config_map(f"c{index:02d}"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with api.watch(f"{ns}/configmaps?{query}") as watch:
        seen = [watch.next() for _ in range(70)]
        assert [kind for kind, _ in seen] == ["ADDED"] * 70
        assert [obj["metadata"]["name"] for _, obj in seen] == [f"c{index:02d}" for index in range(70)]
        kind, mark = watch.next()
        assert kind == "BOOKMARK"
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        api.json("DELETE", f"{ns}/configmaps/c00")
        assert watch.next()[0] == "DELETED"
    assert api.json("GET", f"{ns}/configmaps?watch=1&sendInitialEvents=true")[0] == 422


def test_version_zero_begins_with_the_state(api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    with api.watch(f"{ns}/configmaps?watch=1&resourceVersion=0") as watch:
        assert watch.next()[1]["metadata"]["name"] == "a"
    with api.watch(f"{ns}/configmaps/a?watch=1") as watch:
        assert watch.next()[0] == "ADDED"


def test_timeout_ends_with_a_bookmark(api: Api, ns: str):
    path = f"{ns}/configmaps?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion="
    with api.watch(path + version(api, f"{ns}/configmaps")) as watch:
        assert watch.next()[0] == "BOOKMARK"
        with pytest.raises(EOFError):
            watch.next()


def test_many_watchers_see_the_same_order(api: Api, ns: str):
    start = version(api, f"{ns}/configmaps")
    watches = [api.watch(f"{ns}/configmaps?watch=1&resourceVersion={start}") for _ in range(20)]
    for index in range(10):
        api.json("POST", f"{ns}/configmaps", config_map(f"c{index}"))
    seen = [[watch.next()[1]["metadata"]["resourceVersion"] for _ in range(10)] for watch in watches]
    assert all(one == seen[0] for one in seen)
    for watch in watches:
        watch.__exit__()


def test_watch_of_the_other_event_group_is_converted(api: Api, ns: str):
    other = ns.replace("/api/v1", "/apis/events.k8s.io/v1")
    start = version(api, f"{other}/events")
    space = ns.rpartition("/")[2]
    with api.watch(f"{other}/events?watch=1&resourceVersion={start}") as watch:
        involved = {"kind": "Pod", "name": "p", "namespace": space}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": involved}
        assert api.json("POST", f"{ns}/events", {**event, "message": "m", "reason": "r", "type": "Normal"})[0] == 201
        kind, obj = watch.next()
        assert (kind, obj["apiVersion"], obj["note"]) == ("ADDED", "events.k8s.io/v1", "m")


def resident_megabytes(pair: Pair) -> int:
    return int(Path(f"/proc/{pair.server.pid}/statm").read_text().split()[1]) * 4 // 1024


def test_clients_that_do_not_read_what_they_missed_are_waited_for(api: Api, pair: Pair, ns: str):
    start = version(api, f"{ns}/configmaps")
    for index in range(60):
        api.json("POST", f"{ns}/configmaps", config_map(f"c{index:02d}", x="x" * 64000))
    before = resident_megabytes(pair)
    watches = [api.watch(f"{ns}/configmaps?watch=1&resourceVersion={start}") for _ in range(30)]
    for index in range(60, 65):
        api.json("POST", f"{ns}/configmaps", config_map(f"c{index:02d}"))
    # All of it would be 4 MB for each.
    assert resident_megabytes(pair) - before < 30
    assert [watches[0].next()[1]["metadata"]["name"] for _ in range(65)] == [f"c{index:02d}" for index in range(65)]
    for watch in watches:
        watch.__exit__()
