"""Names are read and written by the rules of PostgreSQL."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backfill.values.identifier import TableName, parse_column, quote

TABLES = [
    ("users", "public", "users", "public.users"),
    ("public.users", "public", "users", "public.users"),
    ("Public.USERS", "public", "users", "public.users"),
    ('"Users"', "public", "Users", 'public."Users"'),
    ('"Billing".Invoice', "Billing", "invoice", '"Billing".invoice'),
    ('"Weird ""Table""."."a.b"', 'Weird "Table".', "a.b", '"Weird ""Table""."."a.b"'),
    ('"users"', "public", "users", "public.users"),
    ("_t$1", "public", "_t$1", "public._t$1"),
    ("größe", "public", "größe", 'public."größe"'),
    ("GRÖSSE", "public", "grÖsse", 'public."grÖsse"'),  # the server folds ASCII alone in UTF-8
    ("order", "public", "order", 'public."order"'),
    ('"1st"', "public", "1st", 'public."1st"'),
    ("a" * 63, "public", "a" * 63, "public." + "a" * 63),
]


@pytest.mark.parametrize(("text", "schema", "name", "shortest"), TABLES)
def test_a_table(text: str, schema: str, name: str, shortest: str):
    table = TableName.parse(text)
    assert (table.schema, table.name, str(table)) == (schema, name, shortest)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a.b.c", "a b", " a", "a ", "a\n", "1a", "$a", "a-b", '"a', 'a"', '"a"b', '"a""', "a;", "'a'", "public .users", 'U&"a"', "*", "a[1]"],
)  # fmt: skip
def test_no_table(text: str):
    with pytest.raises(
        ValueError, match=r"^not a table name: .*; write table or schema\.table, in double quotes as in SQL$"
    ):
        TableName.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('""', "not a table name: ''; a name has at least one character"),
        ('"".a', "not a schema name: ''; a name has at least one character"),
        ("a" * 64, f"not a table name: '{'a' * 60}…' has 64 bytes; allowed are 63"),
        ("ö" * 32, f"not a table name: '{'ö' * 32}' has 64 bytes; allowed are 63"),
        ('"a\0"', r"not a table name: 'a\x00'; it has a character that PostgreSQL cannot store"),
        ('"\ud800"', r"not a table name: '\ud800'; it has a character that PostgreSQL cannot store"),
    ],
)
def test_a_name_that_the_server_would_refuse_or_cut(text: str, message: str):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TableName.parse(text)


def test_a_table_that_is_made_of_names_meets_the_same_limits():
    with pytest.raises(ValueError, match=r"^not a schema name: ''"):
        TableName("", "users")


@pytest.mark.parametrize(
    ("text", "column"), [("handle", "handle"), ("Handle", "handle"), ('"Handle"', "Handle"), ('"a.b"', "a.b")]
)
def test_a_column(text: str, column: str):
    assert parse_column(text) == column


@pytest.mark.parametrize("text", ["", "a.b", "a[1]", "a b", "(a)", "a,", '"a'])
def test_no_column(text: str):
    with pytest.raises(ValueError, match=r"^not a column name: .*; write one name, in double quotes as in SQL$"):
        parse_column(text)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=63)


@given(NAMES, NAMES)
def test_any_table_reads_back(schema: str, name: str):
    assume(len(schema.encode()) <= 63 and len(name.encode()) <= 63)
    table = TableName(schema, name)
    assert TableName.parse(str(table)) == table
    quoted = ['"' + one.replace('"', '""') + '"' for one in (schema, name)]
    assert TableName.parse(".".join(quoted)) == table
    assert parse_column(quote(name)) == name


@given(st.text())
def test_any_text_is_a_table_that_reads_back_or_no_table(text: str):
    try:
        table = TableName.parse(text)
    except ValueError:
        return
    assert TableName.parse(str(table)) == table
