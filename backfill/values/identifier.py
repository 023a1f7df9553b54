"""Names of tables and columns, by PostgreSQL's rules.

An unquoted name folds to lower case (ASCII only, as the server does in UTF-8). A quoted name stays as it is, and `""`
in it is one quote. A name has at most 63 bytes: the server would cut a longer one silently, so it is an error here.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

from backfill.values.text import LETTER, shown

BYTES_MAX = 63

_UNQUOTED = rf"{LETTER}(?:{LETTER}|[0-9$])*"
_QUOTED = r'"(?:[^"]|"")*"'
_NAME = re.compile(f"{_UNQUOTED}|{_QUOTED}")
_PLAIN = re.compile("[a-z_][a-z0-9_$]*")
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

# pg_get_keywords() of PostgreSQL 18, the categories that cannot name a table or a column without quotes.
_RESERVED_WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like
limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
references returning right select session_user similar some symmetric system_user table tablesample then to
trailing true union unique user using variadic verbose when where window with
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table by its schema and its name, both as the catalog spells them."""

    schema: str
    name: str

    def __post_init__(self) -> None:
        _check(self.schema, "schema name")
        _check(self.name, "table name")

    def __str__(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Return the table that `users`, `public.users` or `"Weird".users` names; no schema means public."""
        names = _parse(text)
        if names is None or len(names) > 2:
            raise ValueError(
                f"not a table name: {shown(text)}; write table or schema.table, in double quotes as in SQL"
            )
        schema, name = names if len(names) == 2 else ("public", names[0])
        return cls(schema, name)


def parse_column(text: str) -> str:
    """Return the column that `handle` or `"Handle"` names; raise ValueError for anything but one plain name."""
    return _parse_one(text, "column name")


def parse_alias(text: str) -> str:
    """Return a table's alias; raise ValueError for anything but one plain name."""
    return _parse_one(text, "name for a table")


def parse_index(text: str) -> str:
    """Return an index's name; raise ValueError for anything but one plain name."""
    return _parse_one(text, "name of an index")


def quote(name: str) -> str:
    """Return the shortest text that every PostgreSQL, whatever its encoding, reads back as this name."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def _parse_one(text: str, what: str) -> str:
    names = _parse(text)
    if names is None or len(names) > 1:
        raise ValueError(f"not a {what}: {shown(text)}; write one name, in double quotes as in SQL")
    _check(names[0], what)
    return names[0]


def _parse(text: str) -> tuple[str, ...] | None:
    """Split `a."B"` at its dots and fold or unquote each name; None if the text is not such a list."""
    names: list[str] = []
    position = 0
    while match := _NAME.match(text, position):
        token = match[0]
        names.append(token[1:-1].replace('""', '"') if token.startswith('"') else token.translate(_FOLD))
        position = match.end()
        if position == len(text):
            return tuple(names)
        if text[position] != ".":
            return None
        position += 1
    return None


def storable(text: str) -> bool:
    """Whether PostgreSQL can store every character: all but NUL and half of a surrogate pair."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _check(name: str, what: str) -> None:
    if not name:
        raise ValueError(f"not a {what}: ''; a name has at least one character")
    if not storable(name):
        raise ValueError(f"not a {what}: {shown(name)}; it has a character that PostgreSQL cannot store")
    size_bytes = len(name.encode())
    if size_bytes > BYTES_MAX:
        raise ValueError(f"not a {what}: {shown(name)} has {size_bytes} bytes; allowed are {BYTES_MAX}")
