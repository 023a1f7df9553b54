"""Text that people write and read: what a name may begin with, and a value inside a message."""

from __future__ import annotations

LETTER = r"[^\x00-@\[-^`{-\x7f]"
"""ASCII letters, `_` and whatever is beyond ASCII, by what it is not: named as ranges it takes 20 ms to compile."""


def shown(text: str, limit: int = 60) -> str:
    """Return the text in quotes on one line, its end cut off where it is long: a value inside a message."""
    return repr(text if len(text) <= limit else text[:limit] + "…")
