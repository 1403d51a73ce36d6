import pytest

pytest_plugins = ["e2e.plugin"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vm: boots an emulated machine, for minutes; runs only where -m names it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "vm" not in config.getoption("markexpr").split():
        chosen = [item for item in items if item.get_closest_marker("vm")]
        config.hook.pytest_deselected(items=chosen)
        items[:] = [item for item in items if item not in chosen]
    for item in items:
        if "e2e/tests" in str(item.path):
            item.add_marker(pytest.mark.e2e)
