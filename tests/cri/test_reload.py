from cri import reload
from cri.config import Config, RuntimeEntry


def test_only_what_is_looked_up_at_each_call_changes_at_once() -> None:
    wanted = Config(
        root="/other", metrics_port=1, pinned_images=("a",), log_level="debug", runtimes=(RuntimeEntry("x"),)
    )
    now, changed, waiting = reload.merge(Config(), wanted)
    assert now == Config(pinned_images=("a",), log_level="debug", runtimes=(RuntimeEntry("x"),))
    assert sorted(changed) == ["log_level", "pinned_images", "runtimes"]
    assert sorted(waiting) == ["metrics_port", "root"]
