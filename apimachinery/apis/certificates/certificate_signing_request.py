"""CertificateSigningRequest: validation."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, invalid, not_supported, required
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


def validate(obj: Obj) -> Errors:
    """What is wrong with a signing request."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    if not spec.get("request"):
        errors.append(invalid(_SPEC.child("request"), "", "PEM block type must be CERTIFICATE REQUEST"))
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


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a signing request that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
