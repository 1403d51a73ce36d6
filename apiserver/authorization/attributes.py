"""What is asked of the authorizers, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from apimachinery.objects.selectors import FieldRequirement, Requirement
from apiserver.authentication.user import UserInfo


@dataclass(frozen=True, slots=True)
class AuthorizationAttributes:
    """One request: who wants to do what to which resource or path."""

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    resource_request: bool = True
    field_selector: tuple[FieldRequirement, ...] = ()
    """What a list, watch or deletecollection is narrowed to; an authorizer may allow more for it."""
    label_selector: tuple[Requirement, ...] = ()


class Decision(NamedTuple):
    """The answer. `denied` is a veto; neither allowed nor denied is `no opinion`."""

    allowed: bool
    reason: str = ""
    denied: bool = False


NO_OPINION = Decision(allowed=False)
