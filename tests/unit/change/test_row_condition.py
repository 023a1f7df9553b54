"""`where` in WHEN: what the server may evaluate under anybody's settings without ever failing, and nothing else."""

from __future__ import annotations

import pytest

from backfill.change.row_condition import plain_type, when_of

COLUMNS = {
    "handle": "character varying(63)",
    "n": "integer",
    "price": "numeric(10,2)",
    "done": "boolean",
    "at": "timestamp with time zone",
    "a": 'pg_catalog.text COLLATE "C"',
    "b": "pg_catalog.text",
    "point": "pg_catalog.point",
    "user": "pg_catalog.text",
    "Odd Näme": "pg_catalog.uuid",
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("handle IS NULL", "NEW.handle IS NULL"),
        ("users.handle is not null -- c", "NEW.handle IS NOT NULL"),
        ('"users".HANDLE IS NULL', "NEW.handle IS NULL"),
        ("handle IS NULL OR handle = ''", "NEW.handle IS NULL OR NEW.handle = ''"),
        ("NOT (n >= 10 AND price<-1)", None),
        ("NOT (n >= 10 AND price < 1.5)", "NOT (NEW.n >= 10 AND NEW.price < 1.5)"),
        ("a IS DISTINCT FROM b", "NEW.a IS DISTINCT FROM NEW.b"),
        ("a IS NOT DISTINCT FROM 'x'", "NEW.a IS NOT DISTINCT FROM 'x'"),
        ("done", "NEW.done"),
        ("done IS NOT TRUE and not done", "NEW.done IS NOT TRUE AND NOT NEW.done"),
        ("done = false", "NEW.done = FALSE"),
        ("at IS NULL", "NEW.at IS NULL"),
        ("point IS NULL", "NEW.point IS NULL"),
        ('"Odd Näme" IS NULL', 'NEW."Odd Näme" IS NULL'),
        ('"user" IS NULL', 'NEW."user" IS NULL'),
        ("handle != 'it''s'", "NEW.handle != 'it''s'"),
    ],
)
def test_a_condition_of_the_row_alone_stands_over_new(where: str, expected: str | None):
    assert when_of(where, "users", COLUMNS) == expected


@pytest.mark.parametrize(
    "where",
    [
        "lower(handle) IS NULL",
        "handle IS NULL AND length(a) > 3",
        "n / 2 = 1",
        "n = NULL",
        "at < 'today'",
        "at < now()",
        "at = '2024-01-01'",
        "n = '7'",
        "handle = 7",
        "handle = n",
        "a LIKE 'x%'",
        "n IN (1, 2)",
        "n BETWEEN 1 AND 2",
        "point = point",
        "n",
        "n IS TRUE",
        "user = 'bob'",
        "current_date IS NULL",
        "other.handle IS NULL",
        "missing IS NULL",
        "ctid IS NULL",
        "users IS NULL",
        "handle = E'a'",
        "handle = 'a\\b'",
        "handle = U&'a'",
        "handle ~ 'a'",
        "n OPERATOR(pg_catalog.=) 1",
        "handle::text IS NULL",
        "EXISTS (SELECT FROM users)",
        "(handle IS NULL",
        "handle IS NULL)",
        "handle IS",
        "",
        "handle IS NULL 'x'",
        "n = 1 = done",
    ],
)
def test_any_other_condition_is_left_to_the_function(where: str):
    assert when_of(where, "users", COLUMNS) is None


def test_a_type_is_known_without_schema_length_and_collation():
    names = {
        "pg_catalog.uuid": "uuid",
        "numeric(10,2)": "numeric",
        "timestamp(3) with time zone": "timestamp with time zone",
    }
    assert {name: plain_type(name) for name in names} == names
    assert plain_type('character varying(3) COLLATE pg_catalog."C"') == "character varying"
