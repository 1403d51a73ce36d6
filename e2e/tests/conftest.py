import pytest

pytest_plugins = ["e2e.plugin"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e/tests" in str(item.path):
            item.add_marker(pytest.mark.e2e)
