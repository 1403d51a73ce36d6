from controllers.controller_revision import (
    data_of,
    new_revision,
    oldest_first,
    superfluous,
    template_in,
    with_template,
)


def owner(image="a", **meta):
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", **meta},
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": image}]}},
        },
    }


def revision(name, number):
    return {"metadata": {"name": name}, "revision": number}


def test_a_revision_keeps_the_template_as_a_patch():
    made = new_revision(owner(annotations={"kubernetes.io/change-cause": "why"}), 3, 0)
    assert made["data"]["spec"]["template"]["$patch"] == "replace"
    assert made["revision"] == 3
    assert made["metadata"]["name"] == f"web-{made['metadata']['labels']['controller.kubernetes.io/hash']}"
    assert made["metadata"]["labels"]["app"] == "web"
    assert made["metadata"]["annotations"] == {"kubernetes.io/change-cause": "why"}
    assert made["metadata"]["ownerReferences"][0]["controller"] is True
    assert template_in(made) == owner()["spec"]["template"]
    assert with_template(owner("b"), made) == owner()


def test_names_differ_by_template_and_by_collision():
    names = {new_revision(*args)["metadata"]["name"] for args in ((owner(), 1, 0), (owner("b"), 1, 0), (owner(), 1, 1))}
    assert len(names) == 3
    assert new_revision(owner(), 1, 0)["metadata"]["name"] == new_revision(owner(), 9, 0)["metadata"]["name"]


def test_equal_templates_have_equal_data():
    assert data_of(owner()) == data_of({**owner(), "metadata": {"name": "other"}})
    assert data_of(owner()) != data_of(owner("b"))


def test_the_oldest_unused_revisions_go():
    all_of_them = [revision(name, number) for number, name in ((4, "d"), (2, "b"), (1, "a"), (3, "c"))]
    assert [one["metadata"]["name"] for one in oldest_first(all_of_them)] == ["a", "b", "c", "d"]
    assert [one["metadata"]["name"] for one in superfluous(all_of_them, {"a", "d"}, 1)] == ["b"]
    assert [one["metadata"]["name"] for one in superfluous(all_of_them, {"d"}, 0)] == ["a", "b", "c"]
    assert superfluous(all_of_them, set(), None) == []


def test_a_revision_has_its_keys_in_the_order_that_clients_compare():
    mixed = owner()
    mixed["spec"]["template"] = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}], "containers": []}, "metadata": {}}
    template = data_of(mixed)["spec"]["template"]
    assert list(template) == ["$patch", "metadata", "spec"]
    assert list(template["spec"]) == ["containers", "volumes"]
    assert list(template["spec"]["volumes"][0]) == ["emptyDir", "name"]
