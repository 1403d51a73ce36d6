import pytest

from cri import errors
from cri.images import pull_outcome

FATAL = 'time="2026-11-27T20:55:49Z" level=fatal msg="%s"\n'
PREFIX = "RegistryUnavailable: "


@pytest.mark.parametrize(
    ("words", "kind", "prefix", "label"),
    [
        ("reading manifest v1 in x: manifest unknown", errors.NotFound, "x: ", "MANIFEST_UNKNOWN"),
        ("reading manifest 1 in x: name unknown: no such", errors.NotFound, "x: ", "NAME_UNKNOWN"),
        (
            'choosing image instance: no image found in manifest list for architecture amd64, variant \\"\\", OS linux',
            errors.NotFound,
            "x: ",
            "MANIFEST_UNKNOWN",
        ),
        (
            'pinging container registry x: Get \\"http://x\\": connection refused',
            errors.PullFailed,
            PREFIX,
            "CONNECTION_",
        ),
        ("dial tcp: lookup no.test: no such host", errors.PullFailed, PREFIX, "UNAVAILABLE"),
        ("received unexpected HTTP status: 503 Service Unavailable", errors.PullFailed, PREFIX, "UNAVAILABLE"),
        (
            "Source image rejected: A signature was required, but no signature exists",
            errors.PullFailed,
            "SignatureValidationFailed: ",
            "SIGNATURE",
        ),
        ("write: no space left on device", errors.ResourceExhausted, "x: ", "NO_SPACE"),
        ("reading manifest 1 in x: unauthorized: authentication required", errors.PullFailed, "x: ", "UNAUTHORIZED"),
        ("x509: certificate signed by unknown authority", errors.PullFailed, "x: ", "UNKNOWN"),
        # What a name says is no cause.
        ("reading blob of x/policy-signature-503:no-such-host: eof", errors.PullFailed, "x: ", "UNKNOWN"),
    ],
)
def test_complaints_become_errors(words: str, kind: type, prefix: str, label: str) -> None:
    error = pull_outcome.failure("x", 1, FATAL % words)
    assert type(error) is kind
    assert str(error).startswith(prefix)
    assert pull_outcome.label(str(error)).startswith(label)


def test_mirrors_are_named_with_their_causes_but_the_source_decides() -> None:
    words = (
        "initializing source docker://a.test/x:1: (Mirrors also failed: [m.test/x:1: dial tcp: connection refused]\\n"
        "[n.test/x:1: name unknown]): a.test/x:1: reading manifest 1 in a.test/x: manifest unknown"
    )
    error = pull_outcome.failure("a.test/x:1", 1, FATAL % words)
    assert type(error) is errors.NotFound
    assert "[m.test/x:1: dial tcp: connection refused]; [n.test/x:1: name unknown]" in str(error)


def test_other_endings() -> None:
    assert "skopeo was killed by signal 9" in str(pull_outcome.failure("x", -9, 'level=debug msg="last"\n'))
    assert "and without a message" in str(pull_outcome.failure("x", 1, ""))
    assert "fatal error: runtime: out of memory" in pull_outcome.complaint(2, "fatal error: runtime: out of memory\n")


def test_the_log_tells_who_served_and_what_was_loaded() -> None:
    words = (
        'time="t" level=debug msg="Trying to access \\"127.0.0.1:1/app:1\\""\n'
        'time="t" level=debug msg="Trying to access \\"b.test/app:1\\""\n'
        'time="t" level=debug msg="Downloading /v2/app/blobs/sha256:aa"\n'
        'time="t" level=debug msg="Downloading /v2/app/blobs/sha256:bb"\n'
    )
    assert pull_outcome.served_by(words) == "b.test/app:1"
    assert pull_outcome.served_by("") == ""
    assert pull_outcome.loaded(words) == {"sha256:aa", "sha256:bb"}
