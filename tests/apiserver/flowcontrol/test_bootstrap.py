"""What every cluster has, and whose it is."""

import pytest

from apimachinery.apis.flowcontrol import flow_schemas, priority_levels
from apiserver.flowcontrol.bootstrap import AUTO_UPDATE, bootstrap_levels, bootstrap_schemas, mended


def test_all_schemas_name_a_level_that_is_there():
    levels = bootstrap_levels()
    named = {obj["spec"]["priorityLevelConfiguration"]["name"] for obj in bootstrap_schemas().values()}
    assert named <= set(levels)


def test_defaulting_and_validation_have_nothing_to_say():
    for rules, objects in ((priority_levels, bootstrap_levels()), (flow_schemas, bootstrap_schemas())):
        for obj in objects.values():
            made = {**obj, "spec": dict(obj["spec"])}
            rules.apply_defaults(made)
            assert (made["spec"], rules.validate(made)) == (obj["spec"], [])


def live(obj, said, generation, **spec):
    annotations = {AUTO_UPDATE: said} if said else {}
    metadata = {"name": obj["metadata"]["name"], "annotations": annotations, "generation": generation}
    return {**obj, "metadata": metadata, "spec": {**obj["spec"], **spec}}


@pytest.mark.parametrize(
    ("name", "said", "generation", "changed", "ours"),
    [
        ("system-nodes", "true", 3, True, True),
        ("system-nodes", "false", 3, True, False),
        ("system-nodes", "", 1, False, True),
        ("system-nodes", "", 2, True, False),
        ("catch-all", "false", 5, True, True),
    ],
)
def test_an_annotation_says_whose_an_object_is(name, said, generation, changed, ours):
    wanted = bootstrap_schemas()[name]
    found = live(wanted, said, generation, **({"matchingPrecedence": 77} if changed else {}))
    new = mended(found, wanted) or found
    assert (new["spec"] == wanted["spec"]) is ours
    assert new["metadata"]["annotations"][AUTO_UPDATE] == ("true" if ours else "false")
    again = {**new, "metadata": {**new["metadata"], "generation": generation + 1}}
    assert mended(again, wanted) is None


def test_what_the_exempt_level_lends_is_the_users():
    wanted = bootstrap_levels()["exempt"]
    found = live(wanted, "true", 3, exempt={"nominalConcurrencyShares": 10, "lendablePercent": 50})
    assert mended(found, wanted) is None
