"""TokenReview and SelfSubjectReview."""

from __future__ import annotations

import datetime

from apimachinery.errors import BadRequest
from apimachinery.objects.metadata import Obj
from apiserver.authentication.registry import Authenticator
from apiserver.authentication.service_account_tokens import InvalidTokenError
from apiserver.authentication.user import UserInfo


class AuthenticationReviews:
    """Answers who a token or the caller is."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def token_review(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """Say whom a token stands for."""
        del user, namespace, name
        spec = obj.get("spec") or {}
        token = spec.get("token", "")
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        out = {**obj, "status": {}}
        try:
            found, audiences = await self._authenticator.review(token, spec.get("audiences") or ())
        except InvalidTokenError as error:
            out["status"] = {"user": {}, "error": str(error)}
            return out
        out["status"] = {"authenticated": True, "user": found.to_dict()}
        if audiences:
            out["status"]["audiences"] = list(audiences)
        return out

    async def self_subject_review(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """Say who the caller is."""
        del namespace, name
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {**(obj.get("metadata") or {}), "creationTimestamp": now}
        return {**obj, "metadata": metadata, "status": {"userInfo": user.to_dict()}}
