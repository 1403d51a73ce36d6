import pytest

from tests.apiserver.conftest import pod

pytestmark = pytest.mark.live
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


@pytest.fixture
def classes(api, ns):
    made = []

    def make(suffix, value, **more):
        name = f"{ns.rpartition('/')[2]}-{suffix}"
        body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
        status, answer = api.json("POST", CLASSES, body | {"value": value, **more})
        if status == 201:
            made.append(name)
        return name, status, answer

    yield make
    for name in made:
        api.json("DELETE", f"{CLASSES}/{name}")


def with_spec(name, **spec):
    made = pod(name)
    made["spec"].update(spec)
    return made


def test_the_class_decides_number_and_preemption(api, ns, classes):
    name, *_ = classes("polite", 1000, preemptionPolicy="Never")
    spec = api.json("POST", f"{ns}/pods", with_spec("a", priorityClassName=name))[1]["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
    assert api.json("POST", f"{ns}/pods", with_spec("b", priorityClassName=name, priority=1000))[0] == 201
    status, answer = api.json("POST", f"{ns}/pods", with_spec("c", priorityClassName=name, priority=5))
    assert (status, answer["message"]) == (
        403,
        'pods "c" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission '
        "controller computed 1000 from the given PriorityClass name",
    )
    status, answer = api.json("POST", f"{ns}/pods", with_spec("d", preemptionPolicy="Never"))
    assert (status, answer["message"]) == (
        403,
        'pods "d" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; '
        "priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
    )
    status, answer = api.json("POST", f"{ns}/pods", with_spec("e", priorityClassName="none"))
    assert (status, answer["message"]) == (403, 'pods "e" is forbidden: no PriorityClass with name none was found')


def test_there_is_one_default_class_and_pods_get_it(api, ns, classes):
    name, status, answer = classes("usual", 7, globalDefault=True)
    assert status == 201, answer
    spec = api.json("POST", f"{ns}/pods", pod("a"))[1]["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == (name, 7)
    _, status, answer = classes("second", 8, globalDefault=True)
    assert status == 403
    assert answer["message"].endswith(f"PriorityClass {name} is already marked as default. Only one default can exist")
    merge = "application/merge-patch+json"
    assert api.json("PATCH", f"{CLASSES}/{name}", {"description": "x"}, merge)[0] == 200
    assert api.json("PATCH", f"{CLASSES}/{name}", {"value": 9}, merge)[0] == 422
