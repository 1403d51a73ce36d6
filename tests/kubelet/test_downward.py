import pytest

from kubelet.downward import FieldError, field_value, resource_value

POD = {
    "metadata": {
        "name": "p",
        "namespace": "d",
        "uid": "u",
        "labels": {"b": "2", "a": '1"x'},
        "annotations": {"k/x": "v"},
    },
    "spec": {
        "serviceAccountName": "sa",
        "nodeName": "n",
        "containers": [{"name": "c", "resources": {"limits": {"cpu": "1250m"}}}],
    },
}


def test_fields():
    assert field_value(POD, "metadata.labels") == 'a="1\\"x"\nb="2"'
    assert field_value(POD, "metadata.annotations['k/x']") == "v"
    assert field_value(POD, "metadata.annotations['none']") == ""
    assert field_value(POD, "status.hostIPs", host_ips=("1", "2")) == "1,2"
    with pytest.raises(FieldError):
        field_value(POD, "spec.nope")


def test_resources_are_divided_and_rounded_up():
    assert resource_value(POD, {}, {"containerName": "c", "resource": "limits.cpu"}, {}) == "2"
    assert resource_value(POD, {}, {"containerName": "c", "resource": "limits.cpu", "divisor": "1m"}, {}) == "1250"
    assert resource_value(POD, {}, {"containerName": "c", "resource": "limits.memory"}, {"memory": "1Ki"}) == "1024"
    assert resource_value(POD, {}, {"containerName": "c", "resource": "requests.memory"}, {"memory": "1Ki"}) == "0"
