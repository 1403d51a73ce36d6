"""OpenAPI v2 documents put together."""

import json

from apiserver.aggregator.openapi_merge import merged

OURS = {
    "swagger": "2.0",
    "paths": {"/apis/apps/v1/": {"get": {}}},
    "definitions": {"Meta": {"type": "object"}, "Same": {"type": "string"}},
}
PREFIX = "/apis/wardle.example.com/v1alpha1"


def put_together(remote):
    return json.loads(merged(json.dumps(OURS).encode(), [(PREFIX, remote)]))


def test_only_the_paths_of_its_group_version_are_taken():
    paths = {f"{PREFIX}/flunders": {"get": {}}, f"{PREFIX}/": {"get": {}}, "/apis/apps/v1/": {"get": {"x": 1}}}
    found = put_together({"paths": {**paths, "/version/": {}}, "definitions": {}})
    assert found["paths"] == {
        "/apis/apps/v1/": {"get": {}},
        f"{PREFIX}/flunders": {"get": {}},
        f"{PREFIX}/": {"get": {}},
    }


def test_definitions_of_another_meaning_get_another_name():
    flunder = {"properties": {"metadata": {"$ref": "#/definitions/Meta"}, "name": {"$ref": "#/definitions/Same"}}}
    definitions = {"Flunder": flunder, "Meta": {"type": "integer"}, "Same": {"type": "string"}}
    answer = {"200": {"schema": {"$ref": "#/definitions/Flunder"}}}
    found = put_together({"paths": {f"{PREFIX}/flunders": {"get": {"responses": answer}}}, "definitions": definitions})
    assert set(found["definitions"]) == {"Meta", "Same", "Flunder", "Meta_v2"}
    properties = found["definitions"]["Flunder"]["properties"]
    assert properties == {"metadata": {"$ref": "#/definitions/Meta_v2"}, "name": {"$ref": "#/definitions/Same"}}


def test_what_is_no_document_changes_nothing():
    raw = json.dumps(OURS).encode()
    assert merged(raw, [(PREFIX, {"paths": []}), (PREFIX, {})]) == raw
