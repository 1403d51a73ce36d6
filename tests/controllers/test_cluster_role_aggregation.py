from controllers.cluster_role_aggregation import aggregated_rules


def role(name, labels=None, rules=(), selectors=None):
    made = {"metadata": {"name": name, "labels": labels or {}}, "rules": list(rules)}
    if selectors is not None:
        made["aggregationRule"] = {"clusterRoleSelectors": selectors}
    return made


def test_rules_of_selected_roles_are_collected_once_and_in_order():
    one, two = {"verbs": ["get"], "resources": ["a"]}, {"verbs": ["get"], "resources": ["b"]}
    view = role("view", {"view": "true"}, selectors=[{"matchLabels": {"view": "true"}}])
    others = [
        role("z", {"view": "true"}, [two, one]),
        role("a", {"view": "true"}, [one]),
        role("x", {}, [{"verbs": []}]),
    ]
    assert aggregated_rules(view, [view, *others]) == [one, two]
