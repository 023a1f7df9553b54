"""Static statements: one named file each, in `sql/`, the comment above it for the DBA who reads it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> bytes:
    """Return the text of `sql/<name>.sql`, as bytes because a driver takes literal text or bytes only."""
    return files("backfill.postgres").joinpath(f"sql/{name}.sql").read_bytes()
