"""A row function's values as texts; that PostgreSQL reads them back is tests/integration/mapping/test_row_functions.py's."""

from __future__ import annotations

import enum
import pickle
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from backfill.postgres.mapping.encode import Interval, text_of


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
