import json

import pytest

from apiserver.admission.plugin_configuration import read_plugin_configuration


def written(path, document):
    path.write_text(json.dumps(document))
    return str(path)


def configuration(*plugins, kind="AdmissionConfiguration"):
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, "plugins": list(plugins)}


def test_plugins_are_configured_inline_or_by_a_path_beside_the_file(tmp_path):
    written(tmp_path / "other.yaml", {"kind": "Other"})
    plugins = ({"name": "A", "configuration": {"kind": "Inline"}}, {"name": "B", "path": "other.yaml"})
    path = written(tmp_path / "config.yaml", configuration(*plugins))
    assert read_plugin_configuration(path) == {"A": {"kind": "Inline"}, "B": {"kind": "Other"}}
    assert read_plugin_configuration("") == {}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "must be an object"),
        (configuration(kind="Other"), "kind must be AdmissionConfiguration"),
        (configuration({"path": "x"}), "a plugin needs a name"),
        (configuration({"name": "A", "configuration": []}), "plugin A needs an object"),
        (configuration({"name": "A", "path": "none.yaml"}), "unable to read"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path, document, told):
    with pytest.raises(ValueError, match=told):
        read_plugin_configuration(written(tmp_path / "config.yaml", document))
