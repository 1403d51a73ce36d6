import pytest

from tests.apiserver.conftest import config_map

pytestmark = pytest.mark.live


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_systems_own_namespaces_stay(api, name):
    status, answer = api.json("DELETE", f"/api/v1/namespaces/{name}")
    assert (status, answer["message"]) == (
        403,
        f'namespaces "{name}" is forbidden: this namespace may not be deleted',
    )


def test_nothing_new_in_a_namespace_that_goes_or_is_missing(api, ns):
    name = ns.rpartition("/")[2]
    assert api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))[0] == 201
    assert api.json("DELETE", ns)[1]["status"]["phase"] == "Terminating"
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("b"))
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert answer["message"] == (
        f'configmaps "b" is forbidden: unable to create new content in namespace {name} because it is being terminated'
    )
    assert answer["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    assert api.json("PUT", f"{ns}/configmaps/a", config_map("a", x="2"))[0] == 200
    assert api.json("DELETE", f"{ns}/configmaps/a")[0] == 200
    status, answer = api.json("POST", "/api/v1/namespaces/none/configmaps", config_map("b"))
    assert (status, answer["message"]) == (404, 'namespaces "none" not found')
