"""The watch cache as a machine: changes in, events out, no etcd."""

import orjson
import pytest

from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.selectors import parse_field_selector
from apiserver.storage.cache.entry import Entry, encode_body, header, replace_revision, with_revision
from apiserver.storage.cache.history import CacheEvent, History
from apiserver.storage.cache.snapshots import Snapshots
from apiserver.storage.cache.subscriber import Selection
from apiserver.storage.cache.watch_cache import WatchCache
from apiserver.storage.keys import resource_directory, split_directory


def value(name, **labels):
    obj = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "spec": {}}
    return header("v1", "Pod") + encode_body(obj)


class Recorder:
    def __init__(self, selection=None):
        self.selection = selection or Selection()
        self.seen = []

    def deliver(self, event):
        found = self.selection.effective(event)
        if found is not None:
            self.seen.append((found[0], found[1].name, event.revision))


def test_revision_is_put_into_bytes_once():
    body = encode_body({"apiVersion": "v1", "kind": "X", "spec": 1, "metadata": {"name": "a", "resourceVersion": "3"}})
    assert body == b'"metadata":{"name":"a"},"spec":1}'
    there = with_revision(body, 12)
    assert orjson.loads(b"{" + there) == {"metadata": {"resourceVersion": "12", "name": "a"}, "spec": 1}
    assert orjson.loads(b"{" + replace_revision(there, 7))["metadata"]["resourceVersion"] == "7"
    assert with_revision(b'"metadata":{}}', 5) == b'"metadata":{"resourceVersion":"5"}}'


def test_values_of_other_servers_are_understood():
    foreign = b'{"kind":"Pod","apiVersion":"v1","spec":{"metadata":{}},"metadata":{"name":"a"}}'
    entry = Entry.from_value("ns/a", foreign, 4)
    assert entry.parse() == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "4", "name": "a"},
        "spec": {"metadata": {}},
    }
    assert (entry.namespace, entry.name) == ("ns", "a")


def test_events_come_in_order_and_once():
    cache, recorder = WatchCache(10), Recorder()
    cache.subscribers[recorder] = None
    cache.apply("ns/a", value("a"), 11)
    cache.apply("ns/a", value("a"), 11)
    cache.apply("ns/a", value("a", x="1"), 12)
    cache.apply("ns/b", value("b"), 13)
    cache.apply("ns/a", None, 14)
    cache.apply("ns/gone", None, 15)
    assert recorder.seen == [("ADDED", "a", 11), ("MODIFIED", "a", 12), ("ADDED", "b", 13), ("DELETED", "a", 14)]
    assert [entry.key for entry in cache.select()] == ["ns/b"]


def test_a_deletion_carries_the_last_state_at_its_revision():
    cache = WatchCache(0)
    cache.apply("ns/a", value("a", x="1"), 1)
    event = cache.apply("ns/a", None, 9)
    assert event.entry.parse()["metadata"] == {"resourceVersion": "9", "name": "a", "labels": {"x": "1"}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"x": "1"}, {"x": "1"}, "MODIFIED"),
        ({"x": "2"}, {"x": "1"}, "ADDED"),
        ({"x": "1"}, {"x": "2"}, "DELETED"),
        ({"x": "2"}, {"x": "3"}, None),
        (None, {"x": "1"}, "ADDED"),
        (None, {"x": "2"}, None),
        ({"x": "1"}, None, "DELETED"),
        ({"x": "2"}, None, None),
    ],
)
@pytest.mark.parametrize("selector", ["x=1", "x in (1),x!=2"])
def test_selectors_change_the_event(before, after, expected, selector):
    cache = WatchCache(0)
    recorder = Recorder(Selection("ns/", parse_label_selector(selector)))
    if before is not None:
        cache.apply("ns/a", value("a", **before), 1)
    cache.subscribers[recorder] = None
    cache.apply("ns/a", value("a", **after) if after is not None else None, 2)
    assert [kind for kind, _, _ in recorder.seen] == ([expected] if expected else [])


def test_field_selector_and_range():
    cache = WatchCache(0)
    for key in ("a/x", "a/y", "ab/x", "b/x"):
        cache.load(key, value(key[-1]), 1)
    assert [entry.key for entry in cache.select("a/")] == ["a/x", "a/y"]

    def fields(obj):
        return {"metadata.name": obj["metadata"]["name"]}

    chosen = Selection("", None, parse_field_selector("metadata.name!=x"), fields)
    assert [entry.key for entry in chosen.entries(cache)] == ["a/y"]
    assert [entry.key for entry in Selection(key="b/x").entries(cache)] == ["b/x"]


def test_history_tells_when_it_is_too_short():
    history = History(5)
    for revision in range(6, 5006):
        history.append(CacheEvent(Entry("a", b"", b'"metadata":{}}', revision), None, deleted=False))
    assert history.after(5) is None
    assert history.since == 909
    assert next(history.after(909)).revision == 910
    assert list(history.after(5005)) == []
    history.forget_before(4000)
    assert history.after(3000) is None
    assert next(history.after(4500)).revision == 4501


def test_snapshots_go_with_compaction():
    snapshots = Snapshots()
    snapshots.pin("pods", "", 5, [])
    snapshots.pin("pods", "", 9, [])
    snapshots.forget_before(7)
    assert snapshots.find("pods", "", 5) is None
    assert snapshots.find("pods", "", 9) == []


def test_keys_are_upstreams():
    assert resource_directory("", "nodes") == "minions"
    assert resource_directory("", "services") == "services/specs"
    assert resource_directory("apps", "deployments") == "deployments"
    assert resource_directory("example.com", "foos", custom=True) == "example.com/foos"
    assert split_directory("services/endpoints/ns/a") == ("services/endpoints", "ns/a")
    assert split_directory("example.com/foos/ns/a") == ("example.com/foos", "ns/a")
    assert split_directory("pods/ns/a") == ("pods", "ns/a")
