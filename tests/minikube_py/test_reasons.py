from minikube_py import reasons
from minikube_py.cli import run


def test_every_reason_has_an_id_an_exit_code_and_advice():
    assert len({row.id for row in reasons.REASONS}) == len(reasons.REASONS)
    for row in reasons.REASONS:
        assert 0 < row.exit_code < 128
        assert row.advice


def test_an_unknown_command_is_a_usage_error(capsys):
    assert run(["no-such-command"]) == 14
    assert "no-such-command" in capsys.readouterr().err


def test_help_ends_well(capsys):
    assert run(["--help"]) == 0
    assert "minikube-py start" in capsys.readouterr().out
