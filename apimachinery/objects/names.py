"""Names: the DNS rules with upstream's wording, and generated names."""

import re
import secrets

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_LABEL_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_QUALIFIED = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_PORT_NAME = re.compile(r"^[-a-z0-9]+$")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_LONGEST_BASE = 63 - _SUFFIX
LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253


def _length(text: str, most: int) -> list[str]:
    return [f"must be no more than {most} bytes"] if len(text.encode()) > most else []


def dns1123_label_problems(text: str) -> list[str]:
    """What is wrong with a DNS label (RFC 1123); empty where nothing is."""
    problems = _length(text, LABEL_LENGTH)
    if not _LABEL.match(text):
        if _SUBDOMAIN.match(text):
            problems.append("must not contain dots")
        else:
            problems.append(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
                "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            )
    return problems


def dns1123_subdomain_problems(text: str) -> list[str]:
    """What is wrong with a DNS subdomain (RFC 1123); empty where nothing is."""
    problems = _length(text, SUBDOMAIN_LENGTH)
    if not _SUBDOMAIN.match(text):
        problems.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    return problems


def dns1035_label_problems(text: str) -> list[str]:
    """What is wrong with a DNS label (RFC 1035, begins with a letter); empty where nothing is."""
    problems = _length(text, LABEL_LENGTH)
    if not _LABEL_1035.match(text):
        problems.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
        )
    return problems


def qualified_name_problems(text: str) -> list[str]:
    """What is wrong with a label or annotation key; empty where nothing is."""
    rule = (
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    )
    parts = text.split("/")
    problems = []
    if len(parts) == 2:
        prefix, name = parts
        if not prefix:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {problem}" for problem in dns1123_subdomain_problems(prefix)]
    elif len(parts) == 1:
        name = parts[0]
    else:
        return [f"a qualified name {rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > LABEL_LENGTH:
        problems.append(f"name part must be no more than {LABEL_LENGTH} bytes")
    if not _QUALIFIED.match(name):
        problems.append(f"name part {rule}")
    return problems


def label_value_problems(text: str) -> list[str]:
    """What is wrong with a label's value; empty where nothing is."""
    problems = _length(text, LABEL_LENGTH)
    if not _LABEL_VALUE.match(text):
        problems.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
            "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
    return problems


def path_segment_problems(text: str) -> list[str]:
    """What is wrong with a name that need only fit into a URL path (RBAC); empty where nothing is."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in text]


def port_name_problems(text: str) -> list[str]:
    """What is wrong with a port's name (IANA service name); empty where nothing is."""
    problems = []
    if len(text) > 15:
        problems.append("must be no more than 15 characters")
    if not _PORT_NAME.match(text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= character <= "z" for character in text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def is_dns1123_label(text: str) -> bool:
    """Whether it is a DNS label."""
    return not dns1123_label_problems(text)


def is_dns1123_subdomain(text: str) -> bool:
    """Whether it is a DNS subdomain."""
    return not dns1123_subdomain_problems(text)


def random_suffix(length: int = _SUFFIX) -> str:
    """Random letters and digits that spell no words (as upstream's rand.String)."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def generate_name(prefix: str) -> str:
    """A prefix with a random suffix, cut to the length of a label."""
    return prefix[:_LONGEST_BASE] + random_suffix()


def safe_encode(text: str) -> str:
    """A number's text in letters that spell no words (as upstream's rand.SafeEncodeString)."""
    return "".join(_LETTERS[ord(character) % len(_LETTERS)] for character in text)
