"""The row function of users-slug.yaml: what a page's address calls a user."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

NOT_DECOMPOSED = str.maketrans({"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


def make_slugs(rows: list[dict[str, Any]]) -> list[str | None]:
    """Return a slug for each row, in the rows' order; None where nothing is left of a name."""
    return [slug(row["name"], row["id"]) for row in rows]


def slug(name: str, number: int) -> str | None:
    """Return `Jörg Größe` as `jorg-grosse-7`."""
    letters = unicodedata.normalize("NFKD", name.casefold().translate(NOT_DECOMPOSED))
    words = re.findall(r"[a-z0-9]+", letters.encode("ascii", "ignore").decode())
    return "-".join([*words, str(number)]) if words else None
