"""The composed statements as golden texts; `python -m tests.unit.postgres.statements.test_compose` writes them anew, for review."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.jobfile.job import Job
from backfill.jobfile.row_sources import Assignment
from backfill.postgres.catalog.output_types import function_values
from backfill.postgres.statements.compose import Statements, compose, lock_of, vacuum_of
from backfill.postgres.statements.predicates import RowPredicates
from backfill.table.definition import Column, Table, TableIdentity
from backfill.values.identifier import BYTES_MAX, TableName, storable
from tests import factories

GOLDEN = Path(__file__).with_name("golden")
NAMES = (
    "low",
    "high",
    "mask",
    "stripes",
    "bounds",
    "tid",
    "tids",
    "xmins",
    "out_0",
    "out_1",
    "key",
    "rejected",
    "xids",
)
RANGE = {name: f"${name}" for name in NAMES}


def table(name: TableName, columns: dict[str, str], key: tuple[str, ...], alias: str | None = None) -> Table:
    return Table(
        name=name,
        identity=TableIdentity(16385, 16385, 1),
        pages=100,
        rows_estimated=6000,
        columns=tuple(Column(name=one, type=kind, generated=False, indexed=False) for one, kind in columns.items()),
        key=key,
        before_update_triggers=(),
        alias=alias,
    )


TOUCHED = Table(
    name=TableName("public", "users"),
    identity=TableIdentity(16385, 16385, 1),
    pages=100,
    rows_estimated=6000,
    columns=(
        Column(name="id", type="bigint", generated=False, indexed=True),
        Column(name="changed_at", type="timestamptz", generated=False, indexed=True),
        Column(name="username", type="text", generated=False, indexed=False),
        Column(name="handle", type="text", generated=False, indexed=False),
    ),
    key=("id",),
    before_update_triggers=("touch",),
)
USERS = {"id": "bigint", "username": "text", "handle": "character varying(63)"}
ODD = TableName('We.ird "Schema"', "Tä%ble.%s %(low)s")


def _cases() -> dict[str, RowPredicates]:
    users = TableName("public", "users")
    odd_job = factories.job(
        table=str(ODD),
        set={'"100%"': "replace(\"Üser %\", '%', $$\\%$$) -- %(low)s", '"O\'Key""s"': "id % 2"},
        where='"100%" IS NULL AND "Üser %" LIKE \'%x\'\n  OR id % 2 = 1',
    )
    odd_columns = {"id": "bigint", "Üser %": '"Types%"."Na.me"', "100%": "text", "O'Key\"s": "integer"}
    joined = factories.job(set={"handle": "nick"}, using={"table": "accounts", "on": "accounts.id = users.id"})
    condition = factories.job(
        set={"handle": "a.nick"},
        where="handle IS DISTINCT FROM a.nick",
        using={"table": '"Sho%p".accounts', "as": '"a"', "on": "a.id = users.id -- %s"},
    )
    itself = factories.job(
        set={"handle": "other.username"},
        where="users.handle IS NULL",
        using={"table": "users", "as": "other", "on": "other.id = users.id + 1"},
    )
    function = {"function": "handles:make_handle", "inputs": ["username"]}
    python = factories.job(set={"handle": "python"}, python=function)
    python_odd = factories.job(
        table=str(ODD),
        set={'"100%"': "python", '"O\'Key""s"': "id % 2", "id": "python"},
        where="\"100%\" IS NULL AND backfill_tid = '%x'",
        python=function | {"inputs": ['"Üser %"', '"100%"']},
    )
    python_odd_table = table(ODD, {**odd_columns, "backfill_tid": "text", "backfill__x": "text"}, ())
    arrays = factories.job(set={"tags": "python", "docs": "python"}, where="tags IS NULL", python=function)
    arrays_table = table(users, {**USERS, "tags": "text[]", "docs": "jsonb[]"}, ("id",))
    return {
        "plain": RowPredicates(factories.job(), table(users, USERS, ("id",)), foreseen=True),
        "not_foreseen": RowPredicates(factories.job(), table(users, USERS, ("id",)), foreseen=False),
        "once": RowPredicates(factories.job(), table(users, USERS, ("id",)), foreseen=True, once=True),
        "once_not_foreseen": RowPredicates(factories.job(), table(users, USERS, ()), foreseen=False, once=True),
        "once_joined": RowPredicates(joined, table(users, USERS, ("id",)), foreseen=True, once=True),
        "odd_names": RowPredicates(odd_job, table(ODD, odd_columns, ("O'Key\"s", "Üser %")), foreseen=True),
        "composite_key": RowPredicates(
            factories.job(set={"handle": "lower(username)", "username": "NULL"}, where="handle IS NULL OR handle = ''"),
            table(users, {"tenant": "uuid", "Id": "integer", **USERS}, ("tenant", "Id")),
            foreseen=True,
        ),
        "no_key": RowPredicates(factories.job(), table(users, USERS, ()), foreseen=True),
        "leaf": RowPredicates(
            factories.job(), table(TableName("archive", "users_2024"), USERS, ("id",), "users"), foreseen=True
        ),
        "leaf_joined": RowPredicates(
            joined, table(TableName("archive", "users_2024"), USERS, (), "users"), foreseen=True
        ),
        "joined": RowPredicates(joined, table(users, USERS, ("id",)), foreseen=True),
        "joined_not_foreseen": RowPredicates(joined, table(users, USERS, ("id",)), foreseen=False),
        "joined_condition": RowPredicates(condition, table(users, USERS, ("id",)), foreseen=True, alone=False),
        "joined_condition_not_foreseen": RowPredicates(condition, table(users, USERS, ()), foreseen=False, alone=False),
        "trigger": RowPredicates(factories.job(), TOUCHED, foreseen=False),
        "python": RowPredicates(python, table(users, USERS, ("id",)), foreseen=False),
        "python_odd_names": RowPredicates(python_odd, python_odd_table, foreseen=False),
        "python_json_arrays": RowPredicates(arrays, arrays_table, foreseen=False),
        "joined_itself": RowPredicates(itself, table(users, USERS, ("id",)), foreseen=True),
    }


CASES = _cases()
BASES = {"handle": "character varying", "100%": '"Types%"."Ba.se"', "id": "bigint"}
BASES |= {"tags": "pg_catalog.text[]", "docs": "pg_catalog.jsonb[]"}


def composed(case: str) -> Statements:
    predicates = CASES[case]
    mapped = function_values(predicates.job, predicates.table, BASES, json_arrays="json_arrays" in case)
    return compose(predicates, mapped=mapped)


def text_of(statements: Statements) -> str:
    """All statements under their names, as psycopg gets them: `%` doubled, values as placeholders."""
    return "\n".join(f"-- {name}\n{one.as_string()}\n" for name, one in statements.named())


@pytest.mark.parametrize("case", CASES)
def test_the_statements_of_a_job(case: str):
    statements = composed(case)
    assert statements.foreseen is CASES[case].foreseen
    assert text_of(statements) == (GOLDEN / f"{case}.sql").read_text(encoding="utf-8")


def vacuums() -> str:
    """The VACUUM of each major version, and of a table with an odd name; sent without parameters, so `%` stays."""
    targets = [(table(TableName("public", "users"), USERS, ("id",)), major) for major in (14, 15, 16, 17, 18)]
    targets += [(table(ODD, USERS, ("id",)), 18)]
    return "".join(f"-- {major}\n{vacuum_of(target, major * 10_000).as_string()}\n" for target, major in targets)


def test_the_vacuum_of_a_table():
    assert vacuums() == (GOLDEN / "vacuum.sql").read_text(encoding="utf-8")


def test_the_lock_above_a_leaf():
    assert lock_of(ODD).as_string() == "LOCK TABLE ONLY {}.{} IN ACCESS SHARE MODE".format(
        *('"{}"'.format(part.replace('"', '""')) for part in (ODD.schema, ODD.name))
    )


def test_every_golden_text_has_its_case():
    assert {path.stem for path in GOLDEN.iterdir()} == {*CASES, "vacuum"}


@pytest.mark.parametrize("case", CASES)
def test_each_statement_reads_and_writes_the_table_alone(case: str):
    """Rows of tables that inherit from it have addresses of their own; joined with itself it is one to read."""
    name, using = CASES[case].table.name, CASES[case].job.using
    quoted = '"{}"."{}"'.format(*(part.replace('"', '""') for part in (name.schema, name.name)))
    text = text_of(composed(case)) % RANGE
    if using and using.table == name:
        text = text.replace(f'{quoted} AS "{using.alias}"', "")
    assert set(re.findall(r"(\w+) " + re.escape(quoted), text)) == {"ONLY"}


CATALOG_NAMES = st.text(min_size=1, max_size=20).filter(lambda text: storable(text) and len(text.encode()) <= BYTES_MAX)
EXPRESSIONS = st.text(min_size=1, max_size=40).filter(storable)


@given(CATALOG_NAMES, CATALOG_NAMES, CATALOG_NAMES, EXPRESSIONS, EXPRESSIONS)
def test_names_and_expressions_reach_the_server_as_they_are(
    schema: str, name: str, column: str, expression: str, where: str
):
    """After psycopg has filled in its placeholders, as `%` does here, nothing of ours or of theirs has changed."""
    assignment = Assignment.model_construct(column=column, expression=expression)
    job = Job.model_construct(**dict(factories.job()) | {"assignments": (assignment,), "where": where})
    target = table(TableName(schema, name), {column: "text"}, (column,))
    statements = dict(compose(RowPredicates(job, target, foreseen=True)).named())
    updates = [one for one in statements if one.startswith("update")]
    for part in ("count, later pass", *updates, "verify", "sample_before", "sample_after"):
        text = statements[part].as_string() % RANGE
        assert ".".join('"{}"'.format(one.replace('"', '""')) for one in (schema, name)) in text
        assert f"(\n{where}\n)" in text or part == "sample_after"
        assert f"(\n{expression}\n)" in text or part == "sample_before"
        assert '"{}"'.format(column.replace('"', '""')) in text


if __name__ == "__main__":
    for written in CASES:
        (GOLDEN / f"{written}.sql").write_text(text_of(composed(written)), encoding="utf-8")
    (GOLDEN / "vacuum.sql").write_text(vacuums(), encoding="utf-8")
