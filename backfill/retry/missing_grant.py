"""What a role was denied, as the server's words tell it, and the sentence that ends with the GRANT."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backfill.values.identifier import quote

_CONTEXT = re.compile(r'^CONTEXT:  SQL statement "\s*(?P<command>\w+)', re.MULTILINE)
_RIGHTS = {"INSERT": ("INSERT",), "UPDATE": ("SELECT", "UPDATE"), "DELETE": ("SELECT", "DELETE")}
_RELATIONS = ("table", "view", "materialized view", "foreign table")
_ROUTINES = ("function", "procedure", "aggregate")
_KINDS = (*_RELATIONS, *_ROUTINES, "sequence", "schema")
_DENIED = re.compile(rf"permission denied for (?P<kind>{'|'.join(_KINDS)}) (?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Denied:
    """An object by its kind (relation, sequence, routine, schema) and its bare name, and what was wanted of it."""

    kind: str
    name: str
    rights: tuple[str, ...]


def parse_denied(said: str, updated: str = "") -> Denied | None:
    """Return what the server's message is about; None where it does not say, or in words that we do not know.

    The statement of a trigger's or a function's context tells what was wanted of a table. Without one it was to be
    read; and updated, where it has the name of the table that a batch is for.
    """
    found = _DENIED.match(said.partition("\n")[0])
    if found is None:
        return None
    kind, name = found["kind"], found["name"]
    if kind in _RELATIONS:
        context = _CONTEXT.search(said)
        command = context["command"].upper() if context else "UPDATE" if name == updated else "SELECT"
        return Denied("relation", name, _RIGHTS.get(command, ("SELECT",)))
    if kind in _ROUTINES:
        return Denied("routine", name, ("EXECUTE",))
    return Denied(kind, name, ("USAGE",))


_WORDS = {"relation": "", "sequence": "SEQUENCE ", "routine": "ROUTINE ", "schema": "SCHEMA "}


def grant_statement(one: Denied, rights: tuple[str, ...], target: str, role: str) -> str:
    """Return the statement that gives a role these rights on an object, whose name is SQL already."""
    return f"GRANT {', '.join(rights)} ON {_WORDS[one.kind]}{target} TO {quote(role)};"


def with_remedy(said: str, remedy: str) -> str:
    """Return the server's words with what mends it behind the first line: the others tell where it happened."""
    first, line_break, rest = said.partition("\n")
    return f"{first}; run: {remedy}{line_break}{rest}"
