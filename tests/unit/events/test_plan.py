"""What a measured batch says of a whole job, and how a plan reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.cli.commands.plan import plan_text
from backfill.events.plan import Costs, ForecastInputs, Measurement, Plan, forecast, image_ratio

MB = 1024 * 1024
PLAIN = Measurement(
    first_page=0,
    last_page=14,
    rows=1000,
    rows_unconverged=0,
    rows_hot=0,
    wal_bytes=560_000,
    took_s=0.02,
    images=20,
    images_bytes=160_000,
)
ZSTD = replace(
    PLAIN, first_page=15, last_page=29, wal_bytes=420_000, images=10, images_bytes=20_000, compression="zstd"
)
GROUND = ForecastInputs(rows=100_000, total_bytes=32 * MB, checkpoint_bytes=512 * MB, max_wal_rate_bytes_s=4 * MB)


def plan(**changed: Any) -> Plan:
    values: dict[str, Any] = {
        "job": "users-handle",
        "table": "public.users",
        "pages": 1539,
        "samples": (),
        "shown": "public.users",
        "size_bytes": 12 * MB,
        "total_bytes": 20 * MB,
        "rows_estimated": 100_000,
        "rows_to_do": 90_000,
        "key": ("id",),
        "foreseen": True,
        "replicas": ("replica-a", "replica-b"),
        "stripes": 3,
        "layouts": ("3 stripes: a page has 65 rows",),
        "costs": Costs(plain=PLAIN, compressed=ZSTD),
        "forecast": forecast(GROUND, PLAIN),
        "forecast_compressed": forecast(GROUND, PLAIN, 0.25),
        "image_ratio": 0.25,
        "max_wal_rate_bytes_s": 4 * MB,
        "notices": ("first", "second"),
        "statements": (("a batch", "UPDATE users"),),
        "explained": "Update on users\n  ->  Tid Range Scan on users",
    }
    return Plan(**values | changed)


def test_a_row_costs_its_records_and_its_part_of_the_images():
    assert (PLAIN.row_wal_bytes, PLAIN.row_images_bytes, PLAIN.row_records_bytes) == (560, 160, 400)
    assert PLAIN.image_bytes == 8000


def test_compression_is_compared_by_the_image():
    assert image_ratio(PLAIN, ZSTD) == 0.25
    assert image_ratio(PLAIN, replace(ZSTD, images=0, images_bytes=0)) is None
    assert image_ratio(PLAIN, None) is None
    assert image_ratio(None, ZSTD) is None


def test_a_job_costs_its_rows_where_that_is_less_than_its_pages():
    told = forecast(GROUND, PLAIN)
    assert told is not None
    assert told.wal_bytes == 100_000 * 560
    assert told.at_max_wal_rate_s == pytest.approx(100_000 * 560 / (4 * MB))


def test_scattered_rows_do_not_pay_an_image_each():
    scattered = replace(PLAIN, wal_bytes=8_400_000, images=1000, images_bytes=8_000_000)
    told = forecast(GROUND, scattered)
    assert told is not None
    records = 100_000 * 400
    assert told.wal_bytes == pytest.approx(records + 32 * MB * (1 + records / (512 * MB)) / (1 - 32 / 512), abs=2)
    assert told.wal_bytes < 100_000 * 8400 / 10


def test_where_the_table_is_larger_than_what_checkpoints_are_apart_each_row_may_pay():
    told = forecast(replace(GROUND, checkpoint_bytes=16.0 * MB), PLAIN)
    assert told is not None
    assert told.wal_bytes == 100_000 * 560


def test_compression_makes_the_images_smaller_and_nothing_else():
    told = forecast(GROUND, PLAIN, 0.25)
    assert told is not None
    assert told.wal_bytes == 100_000 * (400 + 40)


def test_what_is_not_known_is_not_forecast():
    assert forecast(None, PLAIN) is None
    assert forecast(GROUND, None) is None


@given(
    rows=st.integers(0, 10**10),
    total_bytes=st.integers(0, 1 << 45),
    checkpoint_bytes=st.floats(1, 1e15),
    images_bytes=st.integers(0, 560_000),
)
def test_a_forecast_lies_between_the_records_and_all_that_was_measured(
    rows: int, total_bytes: int, checkpoint_bytes: float, images_bytes: int
):
    measured = replace(PLAIN, images_bytes=images_bytes)
    told = forecast(
        ForecastInputs(rows=rows, total_bytes=total_bytes, checkpoint_bytes=checkpoint_bytes, max_wal_rate_bytes_s=MB),
        measured,
    )
    assert told is not None
    assert rows * measured.row_records_bytes * 0.999 - 1 <= told.wal_bytes <= rows * measured.row_wal_bytes * 1.001 + 1


def test_a_plan_reads_from_the_job_to_its_cost_and_then_the_sql():
    assert plan_text(plan()).splitlines() == [
        "job       users-handle",
        "table     public.users: 1,539 pages (12MB), about 100,000 rows, key (id)",
        "to do     about 90,000 rows, as the server's planner estimates",
        "replicas  replica-a, replica-b",
        "layout    3 stripes: a page has 65 rows",
        (
            "measured  1,000 rows of pages 0 to 14 at once in 20ms, 0% HOT: 400 B of WAL a row,"
            " and 20 full-page images of 7.8kB; rolled back"
        ),
        (
            "          1,000 rows of pages 15 to 29 at once with zstd in 20ms, 0% HOT: 400 B of WAL a row,"
            " and 10 full-page images of 2kB; rolled back"
        ),
        "in all    at most about 53.4MB of WAL, 13.4s at max_wal_rate 4MB/s",
        "          at most about 42MB of WAL, 10.5s at max_wal_rate 4MB/s, with images of 0.25 times their size",
        "notice    first",
        "          second",
        "",
        "-- a batch",
        "UPDATE users;",
        "",
        "-- the server's plan of a batch",
        "-- Update on users",
        "--   ->  Tid Range Scan on users",
    ]


def test_a_plan_of_one_stripe_is_no_upper_bound():
    assert "in all    about 53.4MB of WAL" in plan_text(plan(stripes=1))


def test_what_was_not_measured_says_why():
    costs = Costs(unmeasured="replica-a is not connected")
    told = plan_text(plan(costs=costs, forecast=None, forecast_compressed=None, rows_to_do=None, key=(), replicas=()))
    assert "measured  nothing: replica-a is not connected\nnotice" in told
    assert "to do" not in told
    assert "no key\nreplicas  none" in told
    told = plan_text(plan(costs=Costs(plain=PLAIN, uncompressed="run: GRANT"), forecast_compressed=None))
    assert "\n          nothing compressed: run: GRANT\n" in told


def test_pages_that_had_their_images_say_so():
    warm = replace(PLAIN, wal_bytes=400_000, images=0, images_bytes=0)
    told = plan_text(plan(costs=Costs(plain=warm)))
    assert "400 B of WAL a row, and no full-page image, as these pages had theirs since the last checkpoint" in told


@given(st.integers(60, 200))
def test_in_a_terminal_lines_are_wrapped_under_their_label_and_the_sql_is_not(columns: int):
    lines = plan_text(plan(), columns).splitlines()
    head = lines[: lines.index("")]
    assert all(len(line) <= columns for line in head)
    assert all(line[10] != " " for line in head)
    assert " ".join(" ".join(head).split()) == " ".join(plan_text(plan()).partition("\n\n")[0].split())
    assert lines[lines.index("") :] == plan_text(plan()).splitlines()[-7:]
