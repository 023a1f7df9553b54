"""How a plan reads: rows and WAL with their intervals and bounds, what was measured, then the SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backfill.change.findings.finding import ok, stop, warn
from backfill.cli.commands.plan import plan_text, rows_text, sql_lines
from backfill.events.measurement import Measurement, Place
from backfill.events.plan import Costs, Plan, PlannedLayout, PlannedSql, PlannedTable, RowsToDo
from backfill.events.wal_forecast import Forecast
from backfill.table.estimate.row_sample import RowEstimate

MB = 1024 * 1024
PLAIN = Measurement(
    first_page=0,
    last_page=3,
    pages=4,
    rows=250,
    rows_unconverged=0,
    rows_hot=50,
    wal_bytes=114_800,
    locks_wal_bytes=45_000,
    took_s=0.02,
    heap_images=4,
    index_images=2,
)
COMPRESSED = replace(PLAIN, first_page=4, last_page=7, compression="zstd")
SAMPLED = RowsToDo(RowEstimate(90_000, 88_000, 92_500, 101_000), 4096, 153_900)


def plan(**changed: Any) -> Plan:
    values: dict[str, Any] = {
        "job": "users-handle",
        "table": PlannedTable(
            name="public.users",
            pages=153_900,
            size_bytes=1202 * MB,
            total_bytes=2000 * MB,
            rows=10_000_000,
            key=("id",),
            shown="public.users",
        ),
        "to_do": SAMPLED,
        "foreseen": True,
        "replicas": ("replica-a", "replica-b"),
        "layout": PlannedLayout(3, ("3 stripes: a page has 65 rows",)),
        "costs": Costs((Place(PLAIN),), COMPRESSED, 0.25),
        "forecast": Forecast(40 * MB, 32 * MB, 50 * MB, 80 * MB, 10.0),
        "max_wal_rate_bytes_s": 4 * MB,
        "findings": (
            ok("size", "1.2GB in 1 tables"),
            warn("key", "no primary key", "add one"),
            stop("slot-lost", "slot s is lost", "drop it"),
            ok("bloat", "few rows are dead"),
        ),
        "samples": (),
        "sql": PlannedSql((("a batch", "UPDATE users"),), "Update on users\n  ->  Tid Range Scan on users"),
    }
    return Plan(**values | changed)


def test_a_plan_reads_from_the_job_to_its_cost_and_then_the_sql():
    assert plan_text(plan()).splitlines() == [
        "job       users-handle",
        "table     public.users: 153,900 pages (1.2GB), about 10,000,000 rows, key (id)",
        "matching  about 90,000 rows (88,000 to 92,500), at most 101,000: 4,096 of 153,900 pages were read",
        "replicas  replica-a, replica-b",
        "layout    3 stripes: a page has 65 rows",
        (
            "measured  250 rows of pages 0 to 3 in 20ms, 20% HOT: 400 B of WAL a row,"
            " and 6 full-page images, 2 of them of index pages; rolled back"
        ),
        (
            "          250 rows of pages 4 to 7 in 20ms, 20% HOT, with 4 full-page images by zstd,"
            " 0.25 times their size; rolled back"
        ),
        "in all    about 40MB of WAL (32MB to 50MB), at most 80MB; 10s at max_wal_rate 4MB/s",
        "stop      slot-lost: slot s is lost; drop it",
        "warn      key: no primary key; add one",
        "ok        size, bloat",
        "",
        "-- a batch",
        "UPDATE users;",
        "",
        "-- the server's plan of a batch",
        "-- Update on users",
        "--   ->  Tid Range Scan on users",
    ]


def test_the_sql_alone_is_what_the_whole_plan_prints_below():
    whole = plan_text(plan()).splitlines()
    alone = list(sql_lines(plan()))
    assert alone == ["", "-- a batch", "UPDATE users;"]
    assert alone == whole[whole.index("-- a batch") - 1 :][: len(alone)]


def test_rows_that_were_counted_have_no_interval():
    assert rows_text(RowsToDo(RowEstimate(1000, 1000, 1000, 1000), 80, 80)) == "1,000 rows, counted"


def test_a_count_that_ended_early_says_why():
    assert rows_text(replace(SAMPLED, why="division by zero")).endswith("; the count ended early: division by zero")
    assert rows_text(RowsToDo(None, 0, 5, "division by zero")) == "unknown: division by zero"


def test_what_was_not_measured_says_why():
    costs = Costs(unmeasured="replica-a is not connected")
    told = plan_text(plan(costs=costs, forecast=None, table=replace(plan().table, key=()), replicas=()))
    assert "measured  nothing: replica-a is not connected\nstop" in told
    assert "in all" not in told
    assert "no key\nmatching" in told
    assert "replicas  none" in told
    told = plan_text(plan(costs=Costs((Place(PLAIN),), uncompressed="run: GRANT")))
    assert "\n          nothing compressed: run: GRANT\n" in told


def test_pages_that_had_their_images_say_so():
    warm = replace(PLAIN, wal_bytes=100_000, heap_images=0, index_images=0)
    told = plan_text(plan(costs=Costs((Place(warm),))))
    assert (
        "400 B of WAL a row, and no full-page image: already written for these pages since the last checkpoint" in told
    )


@given(st.integers(60, 200))
def test_in_a_terminal_lines_are_wrapped_under_their_label_and_the_sql_is_not(columns: int):
    lines = plan_text(plan(), columns).splitlines()
    head = lines[: lines.index("")]
    assert all(len(line) <= columns for line in head)
    assert all(line[10] != " " for line in head)
    assert " ".join(" ".join(head).split()) == " ".join(plan_text(plan()).partition("\n\n")[0].split())
    assert lines[lines.index("") :] == plan_text(plan()).splitlines()[-7:]
