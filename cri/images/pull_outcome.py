"""What skopeo's words say of a copy: why it failed, which mirror served it, which layers were loaded. Pure.

The kubelet shows the first word of a failure as the pod's waiting reason where it is ``RegistryUnavailable`` or
``SignatureValidationFailed``, and only if the gRPC code is UNKNOWN; any other failure is ``ErrImagePull``.
"""

import json
import re

from cri import errors

_FATAL = re.compile(r"^time=\S+ level=fatal msg=(\".*\")$", re.MULTILINE)
_TRYING = re.compile(r'msg="Trying to access \\"(.+?)\\""$', re.MULTILINE)
_LOADED = re.compile(r'msg="Downloading \S+/blobs/(\S+)"$', re.MULTILINE)
_MIRRORS = "(Mirrors also failed: "

# Names of images are part of the words, so each pattern has a blank, which no name has. The label is CRI-O's, for the
# metric of failed pulls.
_CAUSES: tuple[tuple[str, type[errors.CRIError], str, str], ...] = (
    (r"Source image rejected: ", errors.PullFailed, "SignatureValidationFailed: ", "SIGNATURE_VALIDATION_FAILED"),
    (r"manifest unknown|no image found in .* for architecture", errors.NotFound, "", "MANIFEST_UNKNOWN"),
    (r"name unknown|repository name not known", errors.NotFound, "", "NAME_UNKNOWN"),
    (r"StatusCode: 404|404 \(Not Found\)", errors.NotFound, "", "NOT_FOUND"),
    (r"registry \S+ is blocked", errors.PullFailed, "", "DENIED"),
    (r"authentication required|unable to retrieve auth token", errors.PullFailed, "", "UNAUTHORIZED"),
    (r"access to the resource is denied", errors.PullFailed, "", "DENIED"),
    (r"no space left on device", errors.ResourceExhausted, "", "NO_SPACE"),
    (r"connection refused", errors.PullFailed, "RegistryUnavailable: ", "CONNECTION_REFUSED"),
    (
        r"i/o timeout|connection timed out|no progress for",
        errors.PullFailed,
        "RegistryUnavailable: ",
        "CONNECTION_TIMEOUT",
    ),
    (
        r"no such host|no route to host|connection reset by peer|network is unreachable|server misbehaving"
        r"|HTTP status: 50[0-9] ",
        errors.PullFailed,
        "RegistryUnavailable: ",
        "UNAVAILABLE",
    ),
    (r"toomanyrequests: |429 \(Too Many Requests\)", errors.PullFailed, "", "TOOMANYREQUESTS"),
)
UNKNOWN = "UNKNOWN"


def failure(name: str, code: int, words: str) -> errors.CRIError:
    """Skopeo's complaint as one of our errors.

    Args:
        name: The image.
        code: How skopeo ended.
        words: What it wrote.
    """
    text = complaint(code, words)
    for pattern, kind, prefix, _ in _CAUSES:
        if re.search(pattern, _of_the_source(text)):
            return kind(f"{prefix}{name}: {text}")
    return errors.PullFailed(f"{name}: {text}")


def label(text: str) -> str:
    """The metric's name for a failure, given its message."""
    return next((name for pattern, _, _, name in _CAUSES if re.search(pattern, _of_the_source(text))), UNKNOWN)


def complaint(code: int, words: str) -> str:
    """Skopeo's last words."""
    found = _FATAL.findall(words)
    if found:
        return _unquoted(found[-1]).replace("\n", "; ")
    if code < 0:
        return f"skopeo was killed by signal {-code}"
    lines = [line for line in words.splitlines() if line and " level=debug " not in line]
    return lines[-1] if lines else f"skopeo failed with {code} and without a message"


def served_by(words: str) -> str:
    """The place that an image came from: a mirror, or its registry."""
    found = _TRYING.findall(words)
    return str(found[-1]) if found else ""


def loaded(words: str) -> set[str]:
    """Digests of the blobs that were loaded; what is missing was in the store already."""
    return set(_LOADED.findall(words))


def _of_the_source(text: str) -> str:
    """What the registry itself answered, without what its mirrors did."""
    return text.rpartition("]): ")[2] if _MIRRORS in text else text


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:  # Go quotes some characters as JSON does not
        return text[1:-1].replace('\\"', '"').replace("\\n", "\n")
