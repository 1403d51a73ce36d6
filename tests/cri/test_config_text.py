import pathlib

from cri import config, config_text
from cri.config import Config, RuntimeEntry
from cri.options import Options


def test_what_is_shown_reads_back_to_the_same(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "crio.conf"
    made = Config(
        root='/with "quotes" \\ ünd\x7f',
        read_only=True,
        default_env=("A=1", "B=x y"),
        runtimes=(RuntimeEntry("a.b", "/p", "/r", privileged_without_host_devices=True), RuntimeEntry("crun")),
        cni_cache_dir="/c",
        pids_limit=-1,
    )
    path.write_text(config_text.text(made))
    assert config.load(Options(config=str(path))) == made
