"""The effective configuration as a crio.conf, for ``python -m cri config``. Pure."""

import json
from typing import Any

from cri import config_keys
from cri.config import Config


def text(config: Config) -> str:
    """TOML that ``cri.config`` reads back to the same configuration."""
    lines = []
    for table in config_keys.FIELDS:
        names = (*config_keys.FIELDS[table], *config_keys.OURS.get(table, ()))
        lines += [f"[{table}]", *(f"{name} = {_value(getattr(config, name))}" for name in names), ""]
        if config_keys.RUNTIMES.startswith(table) and table != "crio":
            for entry in config.runtimes:
                lines.append(f"[{config_keys.RUNTIMES}.{json.dumps(entry.name)}]")
                fields = config_keys.RUNTIME_FIELDS.items()
                lines += [*(f"{key} = {_value(getattr(entry, field))}" for key, field in fields), ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    # The basic strings, numbers and booleans of TOML are those of JSON, but for one character.
    return json.dumps(list(value) if isinstance(value, tuple) else value).replace("\x7f", "\\u007f")
