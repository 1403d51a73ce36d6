"""EncryptionConfiguration: which provider keeps which resource (`--encryption-provider-config`), and its reloading."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apimachinery.resources import RESOURCES
from apiserver.storage.encryption import AesCbc, AesGcm, Identity, Provider, Secretbox, Transformer
from apiserver.storage.keys import resource_directory
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger("encryption")
_EVERY_SECONDS = 2.0
_AES_SIZES = (16, 24, 32)
_KINDS: dict[str, tuple[Callable[[str, bytes], Provider], tuple[int, ...]]] = {
    "aescbc": (AesCbc, _AES_SIZES),
    "aesgcm": (AesGcm, _AES_SIZES),
    "secretbox": (Secretbox, (32,)),
}
_NAMES = ", ".join(["identity", *_KINDS])
Transformers = dict[str, Transformer]


class ConfigurationError(ValueError):
    """An encryption configuration that makes no sense."""


def _keyed(path: str, kind: str, body: Any) -> list[Provider]:
    make, sizes = _KINDS[kind]
    made: list[Provider] = []
    names: set[str] = set()
    rows = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(f"{path}.keys: Required value: at least one key is required")
    for position, row in enumerate(rows):
        here = f"{path}.keys[{position}]"
        name, secret = (row.get("name"), row.get("secret")) if isinstance(row, dict) else (None, None)
        if not name or not isinstance(name, str):
            raise ConfigurationError(f"{here}.name: Required value: key name is required")
        if ":" in name:
            raise ConfigurationError(f'{here}.name: Invalid value: "{name}": a key name must not contain a colon')
        if name in names:
            raise ConfigurationError(f'{here}.name: Duplicate value: "{name}"')
        if not secret or not isinstance(secret, str):
            raise ConfigurationError(f"{here}.secret: Required value: secret is required")
        names.add(name)
        made.append(make(name, _secret(here, secret, sizes)))
    return made


def _secret(path: str, text: str, sizes: tuple[int, ...]) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ConfigurationError(f'{path}.secret: Invalid value: "REDACTED": secret is not base64') from error
    if len(key) not in sizes:
        expected = " ".join(map(str, sizes))
        raise ConfigurationError(
            f'{path}.secret: Invalid value: "REDACTED": secret is not of the expected length, got {len(key)}, '
            f"expected one of [{expected}]"
        )
    return key


def _providers(path: str, rows: Any) -> tuple[Provider, ...]:
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(f"{path}: Required value: at least one provider is required")
    made: list[Provider] = []
    for position, row in enumerate(rows):
        here = f"{path}[{position}]"
        if not isinstance(row, dict) or len(row) != 1:
            raise ConfigurationError(f"{here}: a provider is one of {_NAMES}")
        for name, body in row.items():
            if name == "identity":
                made.append(Identity())
            elif name in _KINDS:
                made.extend(_keyed(f"{here}.{name}", name, body))
            else:
                raise ConfigurationError(f'{here}: provider "{name}" is not supported, valid: {_NAMES}')
    return tuple(made)


def _directories(name: str) -> list[str]:
    """Return the directories a configured resource name means (`*.*`, `*.group`, `*.` for core, `plural.group`)."""
    plural, _, group = name.partition(".")
    if name == "*.*":
        return ["*"]
    if plural == "*":
        return [resource_directory(one.group, one.plural) for one in RESOURCES if one.group == group]
    known = any((one.group, one.plural) == (group, plural) for one in RESOURCES)
    return [resource_directory(group, plural, custom=bool(group) and not known)]


def parse_configuration(text: str) -> Transformers:
    """Return transformers by directory (`*`: all others) of an EncryptionConfiguration; `ConfigurationError`."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(str(error)) from error
    if not isinstance(document, dict) or document.get("kind") != "EncryptionConfiguration":
        raise ConfigurationError("kind must be EncryptionConfiguration")
    rows = document.get("resources")
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError("resources: Required value: at least one resource is required")
    made: Transformers = {}
    for position, row in enumerate(rows):
        here = f"resources[{position}]"
        names = row.get("resources") if isinstance(row, dict) else None
        if not isinstance(names, list) or not names:
            raise ConfigurationError(f"{here}.resources: Required value: at least one resource is required")
        transformer = Transformer(_providers(f"{here}.providers", row.get("providers")))
        for name in names:
            for directory in _directories(str(name)):
                made.setdefault(directory, transformer)
    return made


def read_configuration(path: str) -> Transformers:
    """Return transformers as a file says; `ConfigurationError`."""
    try:
        return parse_configuration(Path(path).read_text())
    except OSError as error:
        raise ConfigurationError(f"failed to read {path}: {error.strerror}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


class Reloader:
    """Reads the file again when it has changed; one that makes no sense leaves the old configuration as it is."""

    def __init__(self, path: str, use: Callable[[Mapping[str, Transformer]], None], clock: Clock) -> None:
        self._path = path
        self._use = use
        self._clock = clock
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = Path(self._path).stat()
        except OSError:  # it is told when it is read
            return (0, 0, 0)
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await self._clock.sleep(_EVERY_SECONDS)
            self.look()

    def look(self) -> None:
        """Look once."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            transformers = read_configuration(self._path)
        except ConfigurationError as error:
            _LOG.error("the encryption configuration is kept as it was", why=str(error))
            return
        self._use(transformers)
        _LOG.info("the encryption configuration is read again", path=self._path)
