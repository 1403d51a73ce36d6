import pytest

from cri import errors
from cri.images import pull


@pytest.mark.parametrize(
    ("words", "kind", "prefix"),
    [
        ('level=fatal msg="reading manifest v1 in x: manifest unknown"', errors.NotFound, "x: "),
        (
            'msg="pinging container registry x: Get \\"http://x\\": connection refused"',
            errors.Unavailable,
            "RegistryUnavailable: ",
        ),
        (
            'msg="Source image rejected: A signature was required"',
            errors.FailedPrecondition,
            "SignatureValidationFailed: ",
        ),
        ('msg="write: no space left on device"', errors.ResourceExhausted, "x: "),
        ("", errors.Internal, "x: skopeo failed"),
    ],
)
def test_complaints_become_errors(words: str, kind: type, prefix: str) -> None:
    error = pull.trouble("x", words)
    assert type(error) is kind
    assert str(error).startswith(prefix)
