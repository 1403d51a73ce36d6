import pytest

from controllers.registry import CONTROLLERS, chosen


def names(*asked):
    return [row.name for row in chosen(asked)]


def test_a_star_means_all_that_are_on_by_default():
    assert names("*") == [row.name for row in CONTROLLERS if row.on]
    assert "token-cleaner-controller" not in names("*")
    assert "token-cleaner-controller" in names("*", "tokencleaner")


def test_controllers_go_by_their_names_and_their_older_ones():
    assert names("job-controller", "cronjob") == ["job-controller", "cronjob-controller"]
    assert "ttl-controller" not in names("*", "-ttl")
    assert "ttl-after-finished-controller" in names("*", "-ttl")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match='"nonsense" is not in the list of known controllers'):
        chosen(("*", "-nonsense"))


def test_no_name_is_given_twice():
    known = [name for row in CONTROLLERS for name in (row.name, row.alias) if name]
    assert len(known) == len(set(known))
