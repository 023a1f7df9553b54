"""How the server runs each statement that the engine sends: a table's pages by their addresses, and nothing more.

On every supported major: a Tid Range Scan is what backfill stands on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.sql import SQL, Literal

from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.compose import Statements
from backfill.sandbox import Server
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    STATEMENTS,
    connected,
    create_database,
    drop_database,
    job_file,
    make_users,
    prepared,
    run_sql,
)

pytestmark = pytest.mark.anyio

NOT_BY_RANGE = {
    "row_sample": "it reads a range twice",
    "row_key": "it names one row",
    "row_lock": "it reads one row",
    "row_values": "it reads one row",
    "find_rejected": "it finds one row by its key",
    "still_matching": "it reads rows by their addresses",
    "verify": "it reads the whole table",
    "verify_piece": "it looks up samples, too",
    "sample_after": "it updates one row",
    "update, addresses, first pass": "it updates rows by their addresses",
    "update, addresses, later pass": "so does this one",
    "update alone, addresses": "and this one",
}
BY_ROWS = [name for name in STATEMENTS if name.startswith("update") and "addresses" in name]
BY_RANGE = [name for name in STATEMENTS if name not in NOT_BY_RANGE]
KINDS = {"foreseen": "handle IS NULL", "not foreseen": "handle IS NULL AND xmin::text <> '0'"}
MODES = ["force_custom_plan", "force_generic_plan"]
TYPES = {
    "low": "tid",
    "high": "tid",
    "mask": "bigint",
    "stripes": "smallint[]",
    "bounds": "tid[]",
    "tid": "tid",
    "tids": "tid[]",
    "xmins": "xid[]",
    "out_0": "text[]",
    "key": "text",
    "rejected": "tid[]",
    "xids": "xid[]",
}
RANGE: dict[str, Any] = {
    "low": "(100,0)",
    "high": "(108,0)",
    "mask": 7,
    "stripes": [0, 1] * 32,
    "bounds": ["(100,0)", "(104,0)"],
    "tid": "(100,1)",
    "tids": [f"({page},{offset})" for page in range(100, 108) for offset in range(1, 61)],
    "xmins": ["700"] * 480,
    "out_0": ["value"] * 480,
    "key": '{"id": 7}',
    "rejected": ["(100,1)", "(100,2)"],
    "xids": ["701", "702"],
}
WINDOW = RANGE | {"low": "(0,0)", "high": "(800,0)"}


@dataclass(frozen=True)
class Node:
    """One node of a plan."""

    kind: str
    relation: str
    index: str
    condition: str

    def __str__(self) -> str:
        return f"{self.kind} using {self.index}" if self.index else self.kind


def nodes(plan: dict[str, Any]) -> Iterator[Node]:
    kind = "Parallel " * plan["Parallel Aware"] + plan["Node Type"]
    yield Node(kind, plan.get("Relation Name", ""), plan.get("Index Name", ""), plan.get("TID Cond", ""))
    for child in plan.get("Plans", ()):
        yield from nodes(child)


class Plans:
    """How the server runs the statements of a job, by our session's own settings or by another `plan_cache_mode`."""

    def __init__(self, connection: Connection, statements: Statements, mode: str) -> None:
        self.connection = connection
        self.statements = statements
        self._mode = mode

    async def of(self, name: str, values: dict[str, Any], mode: str | None = None) -> list[Node]:
        """Return the plan of a statement with these values."""
        seqscan = "off" if name in (*BY_ROWS, "still_matching") else "on"  # as the batch does
        await self.connection.execute(
            "select set_config('plan_cache_mode', %s, false), set_config('enable_seqscan', %s, false)",
            [mode or self._mode, seqscan],
        )
        text = dict(self.statements.named())[name].as_string(self.connection)
        text %= {key: f"${number}" for number, key in enumerate(TYPES, 1)}
        await self.connection.execute("DEALLOCATE ALL")
        await self.connection.execute(f"PREPARE one ({', '.join(TYPES.values())}) AS {text}".encode())
        literals = SQL(", ").join(Literal(values[key]) for key in TYPES)
        cursor = await self.connection.execute(SQL("EXPLAIN (FORMAT json) EXECUTE one ({})").format(literals))
        row = await cursor.fetchone()
        assert row is not None
        return list(nodes(row[0][0]["Plan"]))


@asynccontextmanager
async def plans(database: Database, job: JobFile) -> AsyncIterator[Plans]:
    """Connect as a worker does, and prepare the job's statements."""
    async with connected(database.dsn, job) as connection:
        _, statements = await prepared(connection, job)
        cursor = await connection.execute("select current_setting('plan_cache_mode')")
        row = await cursor.fetchone()
        assert row is not None
        await connection.execute("set search_path = public")  # as in the statements of the role
        yield Plans(connection, statements, row[0])


def of(plan: list[Node], relation: str) -> list[str]:
    return [str(node) for node in plan if node.relation == relation]


def assert_range(plan: list[Node], mode: str, name: str) -> None:
    """Assert that a plan reads RANGE of the table, and only once."""
    [checkpoint] = [node for node in plan if node.relation == "users" and "Scan" in node.kind]
    assert checkpoint.kind == "Tid Range Scan", name
    low, high = ("$1", "$2") if mode == "force_generic_plan" else ("'(100,0)'::tid", "'(108,0)'::tid")
    assert checkpoint.condition == f"((ctid >= {low}) AND (ctid < {high}))", name


@pytest.fixture(scope="module")
def users(bare: Server) -> Iterator[Database]:
    database = create_database(bare)
    make_users(database, 60_000)
    run_sql(
        database, "create table other (id bigint primary key)", "insert into other select generate_series(1, 60000)"
    )
    run_sql(database, "vacuum analyze other")
    assert database.query("select pg_relation_size('users') / 8192 > 800") == [(True,)]
    yield database
    drop_database(database)


@pytest.mark.parametrize("mode", MODES)
async def test_a_sample_reads_its_range_alone(users: Database, mode: str):
    async with plans(users, job_file()) as explained:
        plan = await explained.of("row_sample", RANGE, mode)
    assert of(plan, "users") == ["Tid Range Scan"] * 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_range_is_a_tid_range_scan(users: Database, kind: str, mode: str):
    job = job_file(where=KINDS[kind])
    async with plans(users, job) as explained:
        assert explained.statements.foreseen == (kind == "foreseen")
        for name in BY_RANGE:
            plan = await explained.of(name, RANGE, mode)
            assert_range(plan, mode, name)


@pytest.mark.parametrize("mode", MODES)
async def test_one_row_is_a_tid_scan(users: Database, mode: str):
    async with plans(users, job_file()) as explained:
        plan = await explained.of("sample_after", RANGE, mode)
    assert of(plan, "users") == ["ModifyTable", "Tid Scan"]


@pytest.mark.parametrize("mode", MODES)
async def test_rows_by_their_addresses_are_a_tid_scan(users: Database, mode: str):
    async with plans(users, job_file()) as explained:
        for name in BY_ROWS:
            plan = await explained.of(name, RANGE, mode)
            assert of(plan, "users") == ["ModifyTable", "Tid Scan"], name


async def test_a_row_that_is_reported_is_a_tid_scan(users: Database):
    async with plans(users, job_file()) as explained:
        for name in ["row_key", "row_lock", "row_values", "still_matching"]:
            plan = await explained.of(name, RANGE)
            assert of(plan, "users") == ["Tid Scan"], name


@pytest.mark.parametrize("kind", KINDS)
async def test_a_row_that_was_rejected_is_found_by_its_index(users: Database, kind: str):
    job = job_file(where=KINDS[kind])
    async with plans(users, job) as explained:
        plan = await explained.of("find_rejected", RANGE)
    assert of(plan, "users") == ["Index Scan using users_pkey"]


@pytest.mark.parametrize("workers", [0, 2])
async def test_the_proof_is_a_sequential_scan_and_may_be_parallel(users: Database, workers: int):
    async with plans(users, job_file()) as explained:
        await explained.connection.execute(
            "select set_config('max_parallel_workers_per_gather', %s, false),"
            " set_config('min_parallel_table_scan_size', '0', false), set_config('parallel_setup_cost', '0', false), set_config('parallel_tuple_cost', '0', false)",
            [str(workers)],
        )
        plan = await explained.of("verify", RANGE)
    read, sampled = sorted(of(plan, "users"))
    assert read == ("Parallel Seq Scan" if workers else "Seq Scan")
    assert sampled == "Tid Scan"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_piece_of_the_proof_reads_its_pages_alone(users: Database, kind: str, mode: str):
    job = job_file(where=KINDS[kind])
    async with plans(users, job) as explained:
        plan = await explained.of("verify_piece", RANGE, mode)
    assert sorted(of(plan, "users")) == ["Tid Range Scan", "Tid Scan"]


async def test_a_condition_on_another_table_does_not_read_all_of_it_for_each_batch(users: Database):
    """A generic plan takes a range for a fixed share of the table, however few pages it has."""
    job = job_file(where="handle IS NULL AND EXISTS (SELECT FROM other WHERE other.id = users.id)")
    async with plans(users, job) as explained:
        for name in BY_RANGE:
            plan = await explained.of(name, RANGE | {"high": "(101,0)"})
            assert of(plan, "users")[-1] == "Tid Range Scan", name
            assert {checkpoint.partition(" using ")[0] for checkpoint in of(plan, "other")} <= {
                "Index Only Scan",
                "Index Scan",
            }, name


JOINED = {
    "alone": job_file(using={"table": "other", "on": "other.id = users.id"}, set={"handle": "other.id"}),
    "joined": job_file(
        using={"table": "other", "as": "o", "on": "o.id = users.id"},
        set={"handle": "o.id"},
        where="handle IS DISTINCT FROM o.id::text",
    ),
}
"""A condition that asks the table alone, and one that asks the joined table too."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", JOINED)
async def test_a_range_of_joined_rows_is_a_tid_range_scan(users: Database, kind: str, mode: str):
    """The other table is read by its index or hashed, as the planner likes: here a range is a hundredth of the rows."""
    async with plans(users, JOINED[kind]) as explained:
        for name in BY_RANGE:
            plan = await explained.of(name, RANGE, mode)
            assert_range(plan, mode, name)


@pytest.mark.parametrize("kind", JOINED)
async def test_a_batch_of_joined_rows_does_not_read_all_of_the_joined_table(users: Database, kind: str):
    async with plans(users, JOINED[kind]) as explained:
        for name in BY_RANGE:
            plan = await explained.of(name, RANGE | {"high": "(101,0)"})
            assert {checkpoint.partition(" using ")[0] for checkpoint in of(plan, "other")} <= {
                "Index Only Scan",
                "Index Scan",
            }, name


@pytest.mark.parametrize("kind", JOINED)
async def test_joined_rows_by_their_addresses_are_a_tid_scan(users: Database, kind: str):
    async with plans(users, JOINED[kind]) as explained:
        for name in BY_ROWS:
            plan = await explained.of(name, RANGE)
            assert of(plan, "users") == ["ModifyTable", "Tid Scan"], name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", JOINED)
async def test_one_joined_row_is_a_tid_scan(users: Database, kind: str, mode: str):
    async with plans(users, JOINED[kind]) as explained:
        plan = await explained.of("sample_after", RANGE, mode)
    assert of(plan, "users") == ["ModifyTable", "Tid Scan"]


@pytest.mark.parametrize("kind", JOINED)
async def test_the_proof_of_joined_rows_reads_each_table_as_a_whole_and_not_row_by_row(users: Database, kind: str):
    async with plans(users, JOINED[kind]) as explained:
        plan = await explained.of("verify", RANGE)
    reads = {"alone": 3, "joined": 2}[kind]
    assert sorted(of(plan, "users")) == ["Seq Scan"] * reads + ["Tid Scan"]
    assert "Nested Loop" not in {node.kind for node in plan}


MAPPED = job_file(set={"handle": "python"}, python={"function": "os.path:commonprefix", "inputs": ["username"]})
READS = ["find_inputs, stripe", "find_inputs, last stripe"]
UPDATES = [name for name in STATEMENTS if name.startswith("update") and name not in BY_ROWS]


@pytest.mark.parametrize("mode", MODES)
async def test_what_a_row_function_is_given_is_read_by_a_tid_range_scan(users: Database, mode: str):
    async with plans(users, MAPPED) as explained:
        for name in [*READS, "count, first pass", "profile", "sample_before"]:
            plan = await explained.of(name, RANGE, mode)
            [checkpoint] = [node for node in plan if node.relation == "users"]
            assert checkpoint.kind == "Tid Range Scan", name


@pytest.mark.parametrize("rows", [0, 1, 480])
@pytest.mark.parametrize("mode", MODES)
async def test_mapped_rows_are_reached_by_their_addresses(users: Database, mode: str, rows: int):
    values = {one: RANGE[one][:rows] for one in ("tids", "xmins", "out_0")}
    async with plans(users, MAPPED) as explained:
        for name in UPDATES:
            plan = await explained.of(name, RANGE | values, mode)
            [checkpoint] = [node for node in plan if node.relation == "users" and "Scan" in node.kind]
            assert checkpoint.kind in ("Tid Scan", "Tid Range Scan"), name


async def test_mapped_rows_of_a_whole_window_are_reached_by_their_addresses(users: Database):
    tids = [f"({page},{offset})" for page in range(800) for offset in range(1, 13)]
    values = {"tids": tids, "xmins": ["700"] * len(tids), "out_0": ["value"] * len(tids)}
    async with plans(users, MAPPED) as explained:
        for name in UPDATES:
            plan = await explained.of(name, WINDOW | values)
            [checkpoint] = [node for node in plan if node.relation == "users" and "Scan" in node.kind]
            assert checkpoint.kind in ("Tid Scan", "Tid Range Scan"), name


@pytest.mark.parametrize("mode", MODES)
async def test_one_mapped_row_is_a_tid_scan(users: Database, mode: str):
    async with plans(users, MAPPED) as explained:
        for name in ["sample_after", "row_key", "read_inputs"]:
            plan = await explained.of(name, RANGE, mode)
            assert of(plan, "users")[-1] == "Tid Scan", name


INDEXES = {"by_handle": "(handle)", "by_rest": "(id) where handle is null"}


@pytest.fixture(scope="module")
def indexed(users: Database) -> Database:
    """Tables of which all rows are to do, or one in a thousand, each with an index that fits `where`."""
    for kind, handle in (("many", "null::text"), ("few", "case when id % 1000 > 0 then username end")):
        for name, definition in INDEXES.items():
            run_sql(
                users,
                f"create table {kind}_{name} as select id, username, email, {handle} as handle from users",
                f"create index {kind}_{name}_index on {kind}_{name} {definition}",
                f"vacuum analyze {kind}_{name}",
            )
    return users


@pytest.mark.parametrize("index", INDEXES)
async def test_an_index_on_the_condition_is_left_alone_while_there_is_much_to_do(indexed: Database, index: str):
    job = job_file(table=f"many_{index}")
    async with plans(indexed, job) as explained:
        for name in BY_RANGE:
            plan = await explained.of(name, WINDOW)
            assert of(plan, f"many_{index}")[-1] == "Tid Range Scan", name


@pytest.mark.parametrize("index", INDEXES)
async def test_an_index_on_the_condition_is_taken_when_few_rows_are_left(indexed: Database, index: str):
    """As ANALYZE saw it, and for many pages only: a batch of few pages reads just these even then."""
    job = job_file(table=f"few_{index}")
    async with plans(indexed, job) as explained:
        for name in [one for one in BY_RANGE if one != "profile"]:  # that one asks of all rows
            window = await explained.of(name, WINDOW)
            page = await explained.of(name, RANGE | {"high": "(101,0)"})
            assert of(window, f"few_{index}")[-1] == f"Index Scan using few_{index}_index", name
            assert of(page, f"few_{index}")[-1] == "Tid Range Scan", name
