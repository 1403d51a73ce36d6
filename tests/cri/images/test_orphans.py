import datetime
import json

from cri.images import orphans

NOW = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)
OLD, YOUNG = "2026-11-20T20:55:48.869277785Z", "2026-11-27T11:00:00Z"
MINE = {"metadata": json.dumps({"minikube-py-state": "/run/mine"})}
OTHERS = {"metadata": json.dumps({"minikube-py-state": "/run/others"})}


def layer(name: str, parent: str = "", created: str = OLD, **fields: object) -> dict[str, object]:
    return {"id": name, "parent": parent, "created": created, **fields}


def unneeded(*layers: dict[str, object], images: object = (), containers: object = ()) -> set[str]:
    return orphans.unneeded(list(layers), list(images), list(containers), "/run/mine", NOW - orphans.PATIENCE)  # type: ignore[call-overload]


def test_what_images_and_containers_stand_on_stays_with_its_parents() -> None:
    layers = [layer("a"), layer("b", "a"), layer("c", "b"), layer("d", "a"), layer("e", "a"), layer("f", "e")]
    images, containers = [{"id": "i", "layer": "b", "mapped-layers": ["e"]}], [{"id": "x", "layer": "d"}]
    assert unneeded(*layers, images=images, containers=containers) == {"c", "f"}


def test_a_pull_that_was_cut_off_is_waited_for_a_day() -> None:
    assert unneeded(layer("a"), layer("b", "a", YOUNG), layer("c")) == {"c"}
    assert unneeded(layer("a", created="no time")) == set()
    assert unneeded(layer("a", names=["kept"])) == set()


def test_our_own_layer_without_a_container_goes_at_once_but_no_others() -> None:
    layers = [layer("a", created=YOUNG, **MINE), layer("b", created=YOUNG, **OTHERS), layer("c", **MINE)]
    assert unneeded(*layers, containers=[{"id": "x", "layer": "c"}]) == {"a"}


def test_a_layer_that_was_never_finished_goes_at_once() -> None:
    assert unneeded(layer("a", created=YOUNG), layer("b", "a", YOUNG, flags={"incomplete": True})) == {"b"}
