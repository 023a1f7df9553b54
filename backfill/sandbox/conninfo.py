"""libpq connection strings: `key=value` pairs, quoted where a value needs it."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[\w./:@-]+")


def conninfo(**parts: object) -> str:
    """Return the parts that are not None as one conninfo string."""
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in parts.items() if value is not None)


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", r"\\").replace("'", r"\'")
    return f"'{escaped}'"
