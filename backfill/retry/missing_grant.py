"""What a role was denied, and the sentence that ends with the smallest GRANT that helps.

The server names the object in the language of its `lc_messages`. So no word of a message is read but the names that may
stand in it, which the catalog knows, and the SQL command of its context, which is SQL in every language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backfill.values.identifier import quote

_COMMAND = re.compile(r"[^\w\s]\s*(?P<command>insert|update|delete|select|merge)\b", re.IGNORECASE)
"""A command behind a quotation mark, whichever the language has, or a parenthesis."""
_RIGHTS = {
    "INSERT": ("INSERT",),
    "UPDATE": ("SELECT", "UPDATE"),
    "DELETE": ("SELECT", "DELETE"),
}
_KIND_WORDS = {
    "relation": "",
    **{kind: f"{kind.upper()} " for kind in ("sequence", "routine", "schema", "database", "parameter")},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class MissingRight:
    """An object by its kind, its name as SQL, and what a role lacks: rights, some of them on columns."""

    kind: str
    target: str
    lacks: tuple[str, ...]
    role: str

    @property
    def grant(self) -> str:
        """The statement that gives them."""
        return f"GRANT {', '.join(self.lacks)} ON {_KIND_WORDS[self.kind]}{self.target} TO {quote(self.role)};"


def rights_wanted(said: str) -> tuple[str, ...]:
    """Return what was wanted of a table that the server denied: SELECT if no context says otherwise."""
    context = said.partition("\n")[2]
    found = _COMMAND.search(context)
    return _RIGHTS.get(found["command"].upper(), ("SELECT",)) if found else ("SELECT",)


def has_context(said: str) -> bool:
    """Return whether the message says which statement of a trigger or a function was denied."""
    return _COMMAND.search(said.partition("\n")[2]) is not None


def with_remedy(said: str, remedy: str) -> str:
    """Return the server's words with what helps after the first line: the others say where it happened."""
    first, line_break, rest = said.partition("\n")
    return f"{first}; run: {remedy}{line_break}{rest}"
