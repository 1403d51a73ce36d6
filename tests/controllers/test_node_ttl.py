from controllers.node_ttl import step_for


def test_steps_overlap_so_that_a_node_more_or_less_changes_nothing():
    step = 0
    told = []
    for nodes in (1, 100, 101, 95, 90, 89, 101, 501, 10001, 5, 101):
        step = step_for(nodes, step)
        told.append(step)
    assert told == [0, 0, 1, 1, 1, 0, 1, 2, 5, 0, 1]
