import pytest

from apimachinery.schema.validate import duplicate_fields


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"a":1}', []),
        (b'{"spec":{"replicas":1,"replicas":2}}', ["spec.replicas"]),
        (b'{"l":[{"a":1},{"b":1,"b":2,"b":3}]}', ["l[1].b"]),
        (b'{"a":1,"a":{"b":1,"b":2}}', ["a", "a.b"]),
        (b"not json", []),
    ],
)
def test_duplicate_fields(raw, found):
    assert duplicate_fields(raw) == found
