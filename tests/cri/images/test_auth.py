import base64
import json
import pathlib

import pytest

from cri import errors
from cri.images.auth import Credentials, auth_file
from protocols.cri import api_pb2 as api


def test_both_forms_of_the_request() -> None:
    both = [
        api.AuthConfig(username="me", password="p:w"),
        api.AuthConfig(auth=base64.b64encode(b"me:p:w").decode()),
    ]
    assert {Credentials.from_request(a) for a in both} == {Credentials("me", "p:w")}
    assert Credentials.from_request(api.AuthConfig()) is None
    with pytest.raises(errors.InvalidArgument):
        Credentials.from_request(api.AuthConfig(auth="!"))


def test_secrets_are_in_a_private_file_only_for_a_while(tmp_path: pathlib.Path) -> None:
    credentials = Credentials("me", "secret")
    assert "secret" not in repr(credentials)
    with auth_file("r.test", credentials, tmp_path) as path:
        assert pathlib.Path(path).stat().st_mode & 0o777 == 0o600
        entry = json.loads(pathlib.Path(path).read_text())["auths"]["r.test"]
        assert base64.b64decode(entry["auth"]) == b"me:secret"
    assert not pathlib.Path(path).exists()


def test_the_nodes_own_file_stays_in_force_for_other_registries(tmp_path: pathlib.Path) -> None:
    base = tmp_path / "base.json"
    auths = {"mirror.test": {"auth": "bTpt"}, "r.test": {"auth": "bjpu"}, "r.test/team": {"auth": "bzpv"}}
    base.write_text(json.dumps({"auths": auths, "credHelpers": {"r.test": "ecr", "other.test": "gcr"}}))
    with auth_file("r.test", Credentials("me", "secret"), tmp_path, str(base)) as path:
        document = json.loads(pathlib.Path(path).read_text())
    assert sorted(document["auths"]) == ["mirror.test", "r.test"]
    assert base64.b64decode(document["auths"]["r.test"]["auth"]) == b"me:secret"
    assert document["credHelpers"] == {"other.test": "gcr"}
    base.write_text("{")
    with (
        pytest.raises(errors.FailedPrecondition, match=str(base)),
        auth_file("r", Credentials("a"), tmp_path, str(base)),
    ):
        pass
