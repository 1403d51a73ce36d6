"""Resources that are only asked, never stored: reviews and token requests.

`virtual_handlers` gives, per (group resource, subresource), the function that answers a create. The server routes to
them after authentication, authorization and admission as for any create.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.metadata import Obj
from apiserver.authentication.registry import Authenticator
from apiserver.authentication.user import UserInfo
from apiserver.authorization.registry import Authorizer

Handler = Callable[[UserInfo, Obj, str, str], Awaitable[Obj]]


@dataclass(frozen=True, slots=True)
class VirtualServices:
    """What the handlers need."""

    authenticator: Authenticator
    authorizer: Authorizer
    listers: Callable[[str], Any]
    options: Any


def virtual_handlers(services: VirtualServices) -> dict[tuple[str, str], Handler]:
    """Return the table of handlers."""
    from apiserver.registry.authentication.reviews import AuthenticationReviews
    from apiserver.registry.authorization.reviews import AuthorizationReviews
    from apiserver.registry.core.service_account_token import ServiceAccountTokenRequests

    who = AuthenticationReviews(services.authenticator)
    may = AuthorizationReviews(services.authorizer)
    tokens = ServiceAccountTokenRequests(services.options, services.listers)
    return {
        ("tokenreviews.authentication.k8s.io", ""): who.token_review,
        ("selfsubjectreviews.authentication.k8s.io", ""): who.self_subject_review,
        ("subjectaccessreviews.authorization.k8s.io", ""): may.subject_access_review,
        ("localsubjectaccessreviews.authorization.k8s.io", ""): may.local_subject_access_review,
        ("selfsubjectaccessreviews.authorization.k8s.io", ""): may.self_subject_access_review,
        ("selfsubjectrulesreviews.authorization.k8s.io", ""): may.self_subject_rules_review,
        ("serviceaccounts", "token"): tokens.create,
    }
