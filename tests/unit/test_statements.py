"""The composed statements as golden texts; `python -m tests.unit.test_statements` writes them anew, for review."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.core.identifier import BYTES_MAX, TableName, storable
from backfill.core.job import Assignment, Job
from backfill.core.table import Column, Identity, Table
from backfill.pg.statements import Statements, compose
from tests import factories

GOLDEN = Path(__file__).with_name("golden")
RANGE = {"low": "$low", "high": "$high", "mask": "$mask", "stripe": "$stripe", "bounds": "$bounds", "tid": "$tid"}


def table(name: TableName, columns: dict[str, str], key: tuple[str, ...]) -> Table:
    return Table(
        name=name,
        identity=Identity(16385, 16385, 1),
        pages=100,
        rows_estimated=6000,
        columns=tuple(Column(one, kind, generated=False, indexed=False) for one, kind in columns.items()),
        key=key,
        before_update_triggers=(),
    )


USERS = {"id": "bigint", "username": "text", "handle": "character varying(63)"}
ODD = TableName('We.ird "Schema"', "Tä%ble.%s %(low)s")


def _cases() -> dict[str, tuple[Job, Table, bool]]:
    users = TableName("public", "users")
    odd_job = factories.job(
        table=str(ODD),
        set={'"100%"': "replace(\"Üser %\", '%', $$\\%$$) -- %(low)s", '"O\'Key""s"': "id % 2"},
        where='"100%" IS NULL AND "Üser %" LIKE \'%x\'\n  OR id % 2 = 1',
    )
    odd_columns = {"id": "bigint", "Üser %": '"Types%"."Na.me"', "100%": "text", "O'Key\"s": "integer"}
    return {
        "plain": (factories.job(), table(users, USERS, ("id",)), True),
        "not_foreseen": (factories.job(), table(users, USERS, ("id",)), False),
        "odd_names": (odd_job, table(ODD, odd_columns, ("O'Key\"s", "Üser %")), True),
        "composite_key": (
            factories.job(set={"handle": "lower(username)", "username": "NULL"}, where="handle IS NULL OR handle = ''"),
            table(users, {"tenant": "uuid", "Id": "integer", **USERS}, ("tenant", "Id")),
            True,
        ),
        "no_key": (factories.job(), table(users, USERS, ()), True),
    }


CASES = _cases()


def text_of(statements: Statements) -> str:
    """All statements under their names, as psycopg gets them: `%` doubled, values as placeholders."""
    names = [one.name for one in fields(statements) if one.name != "foreseen"]
    return "\n".join(f"-- {name}\n{getattr(statements, name).as_string()}\n" for name in names)


@pytest.mark.parametrize("case", CASES)
def test_the_statements_of_a_job(case: str):
    job, target, foreseen = CASES[case]
    statements = compose(job, target, foreseen=foreseen)
    assert statements.foreseen is foreseen
    assert text_of(statements) == (GOLDEN / f"{case}.sql").read_text(encoding="utf-8")


def test_every_golden_text_has_its_case():
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_each_statement_reads_and_writes_the_table_alone(case: str):
    """Rows of tables that inherit from it have addresses of their own."""
    job, target, foreseen = CASES[case]
    quoted = '"{}"."{}"'.format(*(part.replace('"', '""') for part in (target.name.schema, target.name.name)))
    text = text_of(compose(job, target, foreseen=foreseen)) % RANGE
    assert set(re.findall(r"(\w+) " + re.escape(quoted), text)) == {"ONLY"}


NAMES = st.text(min_size=1, max_size=20).filter(lambda text: storable(text) and len(text.encode()) <= BYTES_MAX)
EXPRESSIONS = st.text(min_size=1, max_size=40).filter(storable)


@given(NAMES, NAMES, NAMES, EXPRESSIONS, EXPRESSIONS)
def test_names_and_expressions_reach_the_server_as_they_are(
    schema: str, name: str, column: str, expression: str, where: str
):
    """After psycopg has filled in its placeholders, as `%` does here, nothing of ours or of theirs has changed."""
    assignment = Assignment.model_construct(column=column, expression=expression)
    job = Job.model_construct(**dict(factories.job()) | {"assignments": (assignment,), "where": where})
    target = table(TableName(schema, name), {column: "text"}, (column,))
    for part in ("scout_again", "update", "update_rest", "update_again", "verify", "sample_before", "sample_after"):
        text = getattr(compose(job, target, foreseen=True), part).as_string() % RANGE
        assert ".".join('"{}"'.format(one.replace('"', '""')) for one in (schema, name)) in text
        assert f"(\n{where}\n)" in text or part == "sample_after"
        assert f"(\n{expression}\n)" in text or part == "sample_before"
        assert '"{}"'.format(column.replace('"', '""')) in text


if __name__ == "__main__":
    for written, (one_job, one_table, is_foreseen) in CASES.items():
        told = text_of(compose(one_job, one_table, foreseen=is_foreseen))
        (GOLDEN / f"{written}.sql").write_text(told, encoding="utf-8")
