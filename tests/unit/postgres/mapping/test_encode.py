"""A row function's values as texts; that PostgreSQL reads them back is tests/integration/mapping/test_row_functions.py's."""

from __future__ import annotations

import enum
import pickle
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from backfill.postgres.mapping.encode import Interval, text_of, text_with_json_arrays


class Colour(enum.Enum):
    """As a user's module would have it."""

    RED = 1


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "text", None),
        (None, "jsonb", None),
        ('it\'s \\ "so"', "text", 'it\'s \\ "so"'),
        ("{1,2}", "integer[]", "{1,2}"),
        (b"\x00\xff", "bytea", "\\x00ff"),
        (Decimal("1.50"), "numeric", "1.50"),
        (Colour.RED, "colour", "RED"),
        (timedelta(days=-1, seconds=3600, microseconds=5), "interval", "P-1DT3600.000005S"),
        (Interval.of(timedelta(days=2), "48:00:00"), "interval", "48:00:00"),
        (pickle.loads(pickle.dumps(Interval.of(timedelta(days=2), "48:00:00"))), "interval", "48:00:00"),
        (Interval.of(timedelta(days=2), "48:00:00") * 2, "interval", "P4DT0.000000S"),
        ([timedelta(1), None], "interval[]", "{P1DT0.000000S,NULL}"),
        ([1, Decimal("1.5"), None], "numeric[]", "{1,1.5,NULL}"),
        ([[1, 2], [3, 4]], "integer[]", "{{1,2},{3,4}}"),
        ([], "text[]", "{}"),
        (["a,b", 'c"d', "NULL", None, ""], "text[]", '{"a,b","c\\"d","NULL",NULL,""}'),
        ([b"\x01"], "bytea[]", '{"\\\\x01"}'),
        ([1, "a", None, {"b": []}], "jsonb", '[1, "a", null, {"b": []}]'),
        ("a", "json", '"a"'),
        ([[1], "a", None], "jsonb[]", '{[1],"\\"a\\"",NULL}'),
    ],
)
def test_a_value_is_the_text_that_its_type_is_written_as(value: Any, kind: str, text: str | None):
    assert text_of(value, kind) == text


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "text[]", None),
        ("it's", "text", "it's"),
        ({"a": [1]}, "jsonb", '{"a": [1]}'),
        ([], "text[]", "[]"),
        ([1, Decimal("1.5"), None], "numeric[]", '["1", "1.5", null]'),
        ([[1, None], [3, 4]], "integer[]", '[["1", null], ["3", "4"]]'),
        (["NULL", None, "ü"], "text[]", '["NULL", null, "ü"]'),
        ([[1], "a", None], "jsonb[]", '["[1]", "\\"a\\"", null]'),
        ("[2:3]={a,b}", "text[]", '"[2:3]={a,b}"'),
        ('{"NULL",a,\\null}', "text[]", '"{\\"NULL\\",a,\\\\null}"'),
        ("{glad,NULL}", "app.mood[]", '["glad", null]'),
        ("{{a,NULL},{NULL,b}}", "text[]", '[["a", null], [null, "b"]]'),
        ("{(1,1),(0,0);NULL}", "box[]", '["(1,1),(0,0)", null]'),
    ],
)
def test_without_array_nulls_an_array_is_json(value: Any, kind: str, text: str | None):
    assert text_with_json_arrays(value, kind) == text


@pytest.mark.parametrize("text", ["{a, NULL}", "{null,a}", "[2:3]={a,NULL}"])
def test_without_array_nulls_a_text_with_null_is_read_as_the_server_writes_it_or_not_at_all(text: str):
    with pytest.raises(ValueError, match="return a list"):
        text_with_json_arrays(text, "text[]")


@pytest.mark.parametrize(
    ("value", "kind", "error", "words"),
    [
        ({"a": 1}, "hstore", TypeError, "PostgreSQL has no such type; return its text"),
        ("a\0b", "text", ValueError, "a character that PostgreSQL cannot store"),
        ("\ud800", "text", ValueError, "a character that PostgreSQL cannot store"),
        (float("nan"), "jsonb", ValueError, "Out of range float values are not JSON compliant"),
        ({1, 2}, "jsonb", TypeError, "is not JSON serializable"),
        ([object()], "text[]", TypeError, "PostgreSQL has no such type"),
    ],
)
def test_a_value_that_no_text_stands_for(value: Any, kind: str, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        text_of(value, kind)
