"""The pod machine, by transcript: each line is an input, what it orders follows."""

from kubelet.pod_worker import (
    Cancel,
    CleanUp,
    Done,
    Forget,
    Kill,
    Removed,
    Report,
    RuntimeChanged,
    SpecChanged,
    Stage,
    Stop,
    Sync,
    WorkerState,
    step,
)


def play(*events, state=None):
    state = state or WorkerState()
    orders = []
    for event in events:
        state, new = step(state, event)
        orders.append(new)
    return state, orders


def test_a_pod_lives_is_deleted_and_forgotten():
    state, orders = play(
        SpecChanged(),
        Done(),
        RuntimeChanged(),
        Done(),
        SpecChanged(deletion_grace=30),
        Done(),
        Done(),
        Done(),
        Removed(),
    )
    assert orders == [[Sync()], [], [Sync()], [], [Kill(30)], [CleanUp()], [Report()], [], [Forget()]]
    assert state.stage is Stage.FINISHED


def test_changes_during_a_sync_lead_to_one_more_sync():
    _, orders = play(SpecChanged(), RuntimeChanged(), SpecChanged(), Done(), Done())
    assert orders == [[Sync()], [], [], [Sync()], []]


def test_deletion_cancels_a_running_sync_and_kills():
    _, orders = play(SpecChanged(), SpecChanged(deletion_grace=5), Done(again=True))
    assert orders == [[Sync()], [Cancel()], [Kill(5)]]


def test_a_shorter_grace_hastens_the_kill_a_longer_does_not():
    _, orders = play(
        SpecChanged(deletion_grace=30), SpecChanged(deletion_grace=60), SpecChanged(deletion_grace=1), Done(again=True)
    )
    assert orders == [[Kill(30)], [], [Cancel()], [Kill(1)]]


def test_a_failed_kill_is_repeated_on_the_next_wake():
    _, orders = play(SpecChanged(deletion_grace=3), Done(again=True), RuntimeChanged())
    assert orders == [[Kill(3)], [], [Kill(3)]]


def test_completion_leads_through_kill_and_cleanup_to_the_report_and_stays():
    state, orders = play(SpecChanged(), Done(terminal=True), Done(), Done(), Done(), SpecChanged(deletion_grace=0))
    assert orders == [[Sync()], [Kill(None)], [CleanUp()], [Report()], [], [Report()]]
    assert state.stage is Stage.FINISHED


def test_eviction_marks_the_pod_failed():
    state, orders = play(SpecChanged(), Done(), Stop("Evicted", "low memory", 0))
    assert state.failed
    assert (state.reason, state.message) == ("Evicted", "low memory")
    assert orders[-1] == [Kill(0)]


def test_removal_of_a_living_pod_kills_it_and_then_forgets_it():
    _, orders = play(SpecChanged(), Done(), Removed(), Done(), Done(), Done())
    assert orders == [[Sync()], [], [Kill(None)], [CleanUp()], [Report()], [Forget()]]


def test_a_terminal_pod_from_the_api_is_never_synced():
    _, orders = play(SpecChanged(terminal=True))
    assert orders == [[Kill(None)]]


def test_cleanup_that_fails_is_tried_again():
    _, orders = play(SpecChanged(deletion_grace=0), Done(), Done(again=True), RuntimeChanged(), Done())
    assert orders == [[Kill(0)], [CleanUp()], [], [CleanUp()], [Report()]]
