from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri.images import configuration


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "it is not a JSON object"),
        ({"architecture": 1}, "architecture must be a string"),
        ({"config": []}, "config must be an object"),
        ({"config": {"Env": "A=1"}}, "config.Env must be a list of strings"),
        ({"config": {"Cmd": ["a", 1]}}, "config.Cmd must be a list of strings"),
        ({"config": {"Labels": {"a": 1}}}, "config.Labels must be an object of strings"),
        ({"config": {"Volumes": ["/a"]}}, "config.Volumes must be an object"),
        ({"rootfs": "x"}, "rootfs must be an object"),
        ({}, ""),
        ({"config": None, "architecture": None}, ""),
        ({"config": {"Env": None, "Cmd": ["a"], "Volumes": {"/a": {}}, "User": "me", "Labels": {}}, "other": 1}, ""),
    ],
)
def test_the_first_wrong_member_is_named(document: Any, words: str) -> None:
    assert configuration.problem(document) == words


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_document_is_judged(document: Any) -> None:
    assert isinstance(configuration.problem(document), str)
