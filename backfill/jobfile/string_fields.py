"""The job file's texts: names, lists of them, SQL expressions.

In SQL expressions a scalar is its own text whatever YAML would make of it: `true`, `0` and `NULL` are SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from backfill.jobfile.field_types import UnquotedScalar, message, wrong_kind
from backfill.jobfile.sql_expression import find_fault, terminated
from backfill.values import identifier
from backfill.values.identifier import BYTES_MAX, TableName, parse_column, storable
from backfill.values.text import shown

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
FUNCTION_PATTERN = rf"^{_NAME}(\.{_NAME})*:{_NAME}$"
_ADDRESS = "write one such as http://prometheus:9090"
_ADDRESS_PATTERN = r"https?://(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?"
JOB_NAME_PATTERN = "^[a-z0-9][a-z0-9._-]{0,62}$"


def parse_job_name(value: object) -> str:
    """Return the job's name."""
    name = _text(value)
    if not re.fullmatch(JOB_NAME_PATTERN, name):
        allowed = "allowed are up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit"
        raise message(f"not a job name: {shown(name)}; {allowed}")
    return name


def parse_table(value: object) -> TableName:
    """Return the table that was named."""
    return value if isinstance(value, TableName) else TableName.parse(_text(value))


def parse_alias(value: object) -> str:
    """Return a table's alias, written as in SQL."""
    return identifier.parse_alias(_text(value))


def parse_key(value: object) -> str:
    """Return the column that a key of `set` names; a text from Python is the name itself."""
    return parse_column(value) if isinstance(value, UnquotedScalar) else _text(value)


def parse_sql(value: object) -> str:
    """Return the expression, which cannot reach beyond its position in our statements."""
    if not isinstance(value, str):
        raise wrong_kind("write an SQL expression as one text, in quotes or in lines after '|'")
    if isinstance(value, UnquotedScalar) and value == "~":
        raise wrong_kind("write NULL for SQL's null")
    found = find_fault(value)
    if found is not None:
        raise message(found.message, found.offset)
    return terminated(str(value))


def parse_query(value: object) -> str:
    """Return an SQL expression; a SELECT gets the parentheses that make it one."""
    if isinstance(value, str) and re.match(r"\s*(select|with)\b", value, re.IGNORECASE):
        value = type(value)(f"({value})")
    return parse_sql(value)


def parse_column_name(value: object) -> str:
    """Return the column that a text names, written as in SQL."""
    return parse_column(_text(value))


def parse_index_name(value: object) -> str:
    """Return the name of an index, written as in SQL; it is in the schema of its table."""
    return identifier.parse_index(_text(value))


def parse_function(value: object) -> str:
    """Return the location of a Python function: module:function."""
    name = _text(value)
    if not re.fullmatch(FUNCTION_PATTERN, name):
        raise message(f"not a function: {shown(name)}; write module:function such as handles:make_handle")
    return name


def parse_assignments(value: object) -> tuple[Any, ...]:
    """Return `set` as one pair a column; pairs made in Python stay as they are."""
    if isinstance(value, tuple) and value:
        return value
    if not isinstance(value, Mapping) or not value:
        raise wrong_kind("write a mapping such as set: {handle: username}")
    return tuple({"column": UnquotedScalar(key), "expression": expression} for key, expression in value.items())


def parse_standby(value: object) -> str:
    """Return a standby's application_name, or a pattern of such names."""
    name = _text(value)
    if not 1 <= len(name.encode(errors="replace")) <= BYTES_MAX or not storable(name):
        raise message(f"not a standby's name: {shown(name)}; allowed are 1 to {BYTES_MAX} bytes")
    return name


def list_like(example: str, *, least: int = 0) -> Callable[[object], tuple[object, ...]]:
    """Return a parser of lists; each item is parsed by its own type."""

    def parse(value: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple) or len(value) < least:
            raise wrong_kind(f"write a list such as {example}")
        return tuple(value)

    return parse


def parse_words(value: object) -> str:
    """Return a text in another language: a connection string, PromQL."""
    words = _text(value)
    if not words.strip() or not storable(words):
        raise wrong_kind("write a text")
    return words


def parse_url(value: object) -> str:
    """Return the address of an HTTP server; no message quotes it, as it may hold a password."""
    url = _text(value)
    if "@" in url:
        raise message(f"an address with a user or a password, which would not be sent; {_ADDRESS}")
    if not re.fullmatch(_ADDRESS_PATTERN, url):
        raise message(f"not an address; {_ADDRESS}")
    return url.rstrip("/")


def _text(value: object) -> str:
    if isinstance(value, UnquotedScalar) and value.kind not in {None, "nothing"}:
        raise wrong_kind("put it in quotes")
    if not isinstance(value, str) or (isinstance(value, UnquotedScalar) and value.kind):
        raise wrong_kind("write a text")
    return str(value)
