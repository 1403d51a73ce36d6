"""The static token file: `token,user,uid[,"group1,group2"]` per line."""

from __future__ import annotations

import csv
from pathlib import Path

from apiserver.authentication.user import UserInfo


def load(path: str) -> dict[str, UserInfo]:
    """Read the file; later lines win. ValueError when a line has fewer than three columns."""
    out: dict[str, UserInfo] = {}
    with Path(path).open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, skipinitialspace=True), 1):
            if not row:
                continue
            if len(row) < 3:
                raise ValueError(f"token file '{path}' must have at least 3 columns, line {number} has {len(row)}")
            if not row[0]:
                continue
            groups = tuple(group.strip() for group in row[3].split(",")) if len(row) > 3 and row[3] else ()
            out[row[0]] = UserInfo(row[1], row[2], groups)
    return out
