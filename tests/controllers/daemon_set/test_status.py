import datetime

from controllers.daemon_set.placement import Placement
from controllers.daemon_set.status import count

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
RUN, STAY = Placement(run=True, stay=True), Placement(run=False, stay=True)


def pod(digest="new", *, ready=True):
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T11:59:55Z"}
    return {"metadata": {"labels": {"controller-revision-hash": digest}}, "status": {"conditions": [condition]}}


def live(seconds=0):
    return {"metadata": {"generation": 3}, "spec": {"minReadySeconds": seconds}}


def test_pods_are_counted_node_by_node():
    placements = {"n1": RUN, "n2": RUN, "n3": RUN, "n4": STAY, "n5": RUN, "n6": STAY}
    pods = {"n1": [pod("old"), pod()], "n2": [pod(ready=False)], "n3": [pod()], "n4": [pod()]}
    assert count(live(), pods, placements, "new", NOW) == {
        "observedGeneration": 3,
        "desiredNumberScheduled": 4,
        "currentNumberScheduled": 3,
        "numberMisscheduled": 1,
        "numberReady": 2,
        "numberAvailable": 2,
        "numberUnavailable": 2,
        "updatedNumberScheduled": 2,
    }


def test_availability_takes_min_ready_seconds():
    told = count(live(seconds=30), {"n1": [pod()]}, {"n1": RUN}, "new", NOW)
    assert (told["numberReady"], told.get("numberAvailable"), told["numberUnavailable"]) == (1, None, 1)


def test_without_nodes_the_required_numbers_are_zero_and_conditions_stay():
    one = {**live(), "status": {"conditions": [{"type": "Mine"}]}}
    assert count(one, {}, {}, "new", NOW) == {
        "observedGeneration": 3,
        "desiredNumberScheduled": 0,
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
        "conditions": [{"type": "Mine"}],
    }
