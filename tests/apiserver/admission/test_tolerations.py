from apiserver.admission.tolerations import merged_tolerations


def test_tolerations_that_another_covers_are_dropped():
    wide = {"key": "a", "operator": "Exists"}
    narrow = {"key": "a", "operator": "Equal", "value": "x", "effect": "NoSchedule"}
    other = {"key": "b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    longer = {**other, "tolerationSeconds": 10}
    assert merged_tolerations([narrow, wide]) == [wide]
    assert merged_tolerations([wide, wide]) == [wide]
    assert merged_tolerations([other, longer]) == [longer]
    assert merged_tolerations([{"operator": "Exists"}, wide, other]) == [{"operator": "Exists"}]
