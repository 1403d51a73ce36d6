import math

import pytest

from controllers.taint_eviction import execute_taints, seconds_tolerated

TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}
OTHER = {"key": "o", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("taints", "tolerations", "seconds"),
    [
        ([TAINT], [], 0),
        ([TAINT], [{"key": "k", "operator": "Exists"}], math.inf),
        ([TAINT], [{"key": "k", "value": "v", "tolerationSeconds": 60}], 60),
        ([TAINT], [{"key": "k", "value": "x", "tolerationSeconds": 60}], 0),
        ([TAINT], [{"operator": "Exists", "tolerationSeconds": -5}], 0),
        ([TAINT, OTHER], [{"key": "k", "operator": "Exists", "tolerationSeconds": 60}], 0),
        (
            [TAINT, OTHER],
            [
                {"key": "k", "operator": "Exists", "tolerationSeconds": 60},
                {"key": "o", "operator": "Exists", "tolerationSeconds": 5},
            ],
            5,
        ),
    ],
)
def test_how_long_a_pod_may_stay(taints, tolerations, seconds):
    assert seconds_tolerated(taints, tolerations) == seconds


def test_only_execute_taints_count():
    node = {"spec": {"taints": [TAINT, {"key": "k", "effect": "NoSchedule"}]}}
    assert execute_taints(node) == [TAINT]
    assert execute_taints(None) == []
