"""CertificateSigningRequest: validation."""

import base64
import json

from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")
_USAGES = frozenset(
    (
        "signing",
        "digital signature",
        "content commitment",
        "key encipherment",
        "key agreement",
        "data encipherment",
        "cert sign",
        "crl sign",
        "encipher only",
        "decipher only",
        "any",
        "server auth",
        "client auth",
        "code signing",
        "email protection",
        "s/mime",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "timestamping",
        "ocsp signing",
        "microsoft sgc",
        "netscape sgc",
    )
)
_LEAST_SECONDS = 600
_CONDITIONS = FieldPath("status").child("conditions")
_LASTING = ("Approved", "Denied", "Failed")
_UNNECESSARY = "Approved and Denied conditions are mutually exclusive"


def validate(obj: Obj) -> Errors:
    """What is wrong with a signing request."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    problem = _request_problem(spec.get("request") or "")
    if problem:
        errors.append(invalid(_SPEC.child("request"), spec.get("request") or "", problem))
    if not spec.get("usages"):
        errors.append(required(_SPEC.child("usages")))
    for position, usage in enumerate(spec.get("usages") or ()):
        if usage not in _USAGES:
            errors.append(not_supported(_SPEC.child("usages").index(position), usage, sorted(_USAGES)))
    signer = spec.get("signerName")
    if not signer:
        errors.append(required(_SPEC.child("signerName")))
    elif "/" not in signer or "." not in signer.partition("/")[0]:
        told = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.append(invalid(_SPEC.child("signerName"), signer, told))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _LEAST_SECONDS:
        told = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid(_SPEC.child("expirationSeconds"), seconds, told))
    return errors


def _request_problem(text: str) -> str:
    """Why a request is none; empty if it is one."""
    try:
        raw = base64.b64decode(text)
    except ValueError:
        raw = b""
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in raw:
        return "PEM block type must be CERTIFICATE REQUEST"
    from cryptography import x509

    try:
        x509.load_pem_x509_csr(raw)
    except ValueError as error:
        return f"asn1: structure error: {error}"
    return ""


def _conditions(status: Obj | None) -> list[Obj]:
    return (status or {}).get("conditions") or []


def _validate_conditions(obj: Obj) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for position, condition in enumerate(_conditions(obj.get("status"))):
        path, kind = _CONDITIONS.index(position), condition.get("type", "")
        if not kind:
            errors.append(required(path.child("type")))
        elif kind in _LASTING and condition.get("status") != "True":
            errors.append(not_supported(path.child("status"), condition.get("status", ""), ["True"]))
        if kind in seen and kind:
            errors.append(duplicate(path.child("type"), kind))
        if kind in ("Approved", "Denied") and seen & {"Approved", "Denied"} - {kind}:
            errors.append(invalid(path.child("type"), kind, _UNNECESSARY))
        seen.add(kind)
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a signing request that replaces another: a decision and a certificate stay as they are."""
    errors = [] if new.get("spec") == old.get("spec") else validate(new)
    errors += _validate_conditions(new)
    types = {one.get("type") for one in _conditions(new.get("status"))}
    for condition in _conditions(old.get("status")):
        if condition.get("type") in _LASTING and condition["type"] not in types:
            errors.append(
                forbidden(_CONDITIONS, f"updates may not remove a condition of type {json.dumps(condition['type'])}")
            )
    issued = (old.get("status") or {}).get("certificate")
    certificate = (new.get("status") or {}).get("certificate")
    if issued and certificate != issued:
        errors.append(forbidden(FieldPath("status").child("certificate"), "updates may not set certificate content"))
    return errors
