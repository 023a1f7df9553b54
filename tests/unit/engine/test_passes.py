"""Proves that passes fill every row once within the caps, that a proof ends them, and that a stop leaves a checkpoint.

Mutations tried by hand, and the test that catches each: the end page is read anew (`new_pass` and `begin` aside)
test_rows_that_the_application_appends_are_left_to_the_next_pass; the last stripe keeps its hash filter
test_every_row_is_filled_exactly_once; `max_rows` is not a cap test_no_batch_exceeds_max_rows.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.events.batch import BatchDone
from backfill.events.job import PassDone, Started, Verified
from backfill.events.throttle import NoReplicas
from backfill.table.checkpoint import Checkpoint
from backfill.table.pass_progress import PASSES_MAX
from backfill.values.errors import (
    BackfillError,
    Stopped,
    WhereStaysTrue,
)
from tests.fake_database import Clock, FakeDatabase, Row, users
from tests.unit.engine.loop import (
    Loop,
    late,
    made,
)


def test_the_story_of_a_run_in_order():
    loop = Loop(made())
    loop.run()
    assert loop.names() == ["Started", "LayoutChanged", "NoReplicas", "BatchDone", "PassDone", "Verified"]
    assert [event.rows for event in loop.told(PassDone)] == [100]


def test_every_row_is_filled_exactly_once():
    loop = Loop(made())
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (0, 0)
    assert loop.database.fills == dict.fromkeys(range(100), 1)
    assert loop.worker.group.rows_total == 100


def test_no_batch_exceeds_max_rows():
    loop = Loop(made(300, max_rows=7))
    loop.run()
    assert max(loop.database.batches) <= 7
    assert loop.database.fills == dict.fromkeys(range(300), 1)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from(["null", "filled", "free"]), min_size=1, max_size=30), max_size=25),
    st.integers(1, 40),
    st.sampled_from([1, 2, 8, 12, "auto"]),
    st.integers(1, 3),
)
def test_any_table_is_filled_once_within_the_cap(profile, max_rows: int, stripes: int | str, lanes: int):
    number, pages = 0, []
    for kinds in profile:
        page: list[Row | None] = []
        for kind in kinds:
            number += 1
            row: Row = {"id": number, "username": "u", "handle": None if kind == "null" else "h"}
            page.append(None if kind == "free" else row)
        pages.append(page)
    database = FakeDatabase(pages, Clock(), max_rows=max_rows, lanes=lanes)
    expected = {row["id"]: 1 for row in database.rows_left()}
    Loop(database, stripes).run()
    assert database.fills == expected
    assert max(database.batches, default=0) <= max_rows
    assert database.rows_left() == []


def test_an_empty_table_is_done_after_one_pass_and_one_proof():
    loop = Loop(made(0))
    assert loop.run().rows_left == 0
    assert loop.names() == ["Started", "PassDone", "Verified"]
    assert loop.database.batches == []


def test_a_table_that_is_filled_already_costs_no_batch():
    loop = Loop(made(where=lambda _: False))
    loop.run()
    assert loop.database.batches == []
    assert "read_signals" in loop.database.calls


def test_batches_report_what_they_did():
    loop = Loop(made(30))
    loop.run()
    batches = loop.told(BatchDone)
    assert sum(event.rows for event in batches) == 30
    assert batches[-1].rows_total == 30
    assert all(event.first_page <= event.last_page <= 3 for event in batches)
    ratios = [event.progress_ratio for event in batches if event.pass_number == 1]
    assert ratios == sorted(ratios)


def test_a_read_precedes_every_batch():
    loop = Loop(made())
    loop.run()
    calls = [call for call in loop.database.calls if call in ("read_signals", "run_batch")]
    assert all(calls[index - 1] == "read_signals" for index, call in enumerate(calls) if call == "run_batch")


def test_rows_that_the_application_appends_are_left_to_the_next_pass():
    """The end page is fixed when a pass starts, else a pass might chase an application for ever."""
    database = made(40)

    def append() -> None:
        if len(database.pages) < 40:
            database.pages += users(10)
            database.accidents["run_batch"].append(append)

    database.accidents["run_batch"].append(append)
    loop = Loop(database)
    loop.run()
    assert database.rows_left() == []
    assert loop.told(PassDone)[0].rows == 40
    assert len(loop.told(PassDone)) > 2


def test_rows_that_are_written_behind_the_place_are_found_by_another_pass():
    database = made(100)

    def behind() -> None:
        database.pages[0].append({"id": 1000, "username": "late", "handle": None})

    database.accidents["run_batch"] += [lambda: None] * 3 + [behind]
    loop = Loop(database, stripes=1)
    loop.run()
    assert database.fills == dict.fromkeys([*range(100), 1000], 1)
    assert [event.rows for event in loop.told(PassDone)] == [100, 1]
    assert [event.rows_left for event in loop.told(Verified)] == [1, 0]


def test_rows_that_appear_between_a_pass_and_its_proof_begin_another_pass():
    database = made(20)
    database.accidents["verify"].append(late(database))
    loop = Loop(database)
    assert loop.run().rows_left == 0
    assert [event.rows_left for event in loop.told(Verified)] == [1, 0]


def test_an_application_that_never_stops_is_reported_after_many_passes():
    database = made(10)

    def again() -> None:
        database.pages[0].append({"id": len(database.pages[0]), "username": "late", "handle": None})
        database.accidents["verify"].append(again)

    database.accidents["verify"].append(again)
    loop = Loop(database)
    with pytest.raises(BackfillError, match=f"rows matching 'where' still appear after {PASSES_MAX} passes"):
        loop.run()
    assert len(loop.told(PassDone)) >= PASSES_MAX


def test_rows_that_cannot_converge_are_updated_once_and_counted():
    database = made(40, pages=users(40, username=lambda number: None if number % 10 == 0 else "u"))
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (4, 4)
    assert found.samples == ("0", "10", "20", "30")
    assert set(loop.worker.group.samples) <= {"0", "10", "20", "30"}
    assert sum(checkpoint.rows_unconverged for checkpoint in loop.worker.checkpoints) >= 4


def test_where_it_cannot_be_foreseen_stuck_rows_are_those_that_a_pass_updates_in_vain():
    database = made(40, pages=users(40, username=lambda number: None if number % 10 == 0 else "u"), foreseen=False)
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (4, 4)
    assert [event.rows for event in loop.told(PassDone)][-1] == 4
    assert max(database.fills.values()) <= 3


def test_a_first_batch_in_vain_ends_the_run():
    database = made(40, pages=users(40, username=lambda _: None))
    with pytest.raises(WhereStaysTrue):
        Loop(database).run()
    assert not database.fills


def test_a_checkpoint_is_gone_on_from():
    database = made(100, max_rows=5)
    first = Loop(database)
    database.clock.stop_at_s = database.clock.now_s + 0.05
    with pytest.raises(Stopped):
        first.run()
    done = len(database.batches)
    assert 0 < done < 20
    database.clock.stop_at_s = float("inf")
    second = Loop(database)
    second.run()
    assert database.fills == dict.fromkeys(range(100), 1)
    assert second.told(Started)[0].resumed
    assert second.told(Started)[0].rows_total == sum(database.batches[:done])


def test_a_stop_comes_between_two_batches_and_none_follows():
    whole = made(200, max_rows=10)
    Loop(whole).run()
    took_s = whole.clock.now_s - Clock().now_s
    for share in range(1, 20):
        database = made(200, max_rows=10)
        database.clock.stop_at_s = database.clock.now_s + took_s * share / 21
        loop = Loop(database)
        with pytest.raises(Stopped):
            loop.run()
        assert database.calls[-1] != "run_batch"
        assert (
            sum(checkpoint.rows_total for checkpoint in database.checkpoints)
            == sum(database.batches)
            == sum(event.rows for event in loop.told(BatchDone))
        )


def test_the_same_run_twice_is_the_same_run():
    def story() -> list[Any]:
        loop = Loop(made(150))
        loop.run()
        return loop.events

    assert story() == story()


async def opened_checkpoints(database: FakeDatabase) -> tuple[Checkpoint, ...]:
    async with database.session().open_leaf("public.users") as leaf:
        return leaf.opened.checkpoints


def test_a_place_in_the_middle_of_a_page_is_gone_on_from():
    database = made(0, pages=users(80, page=40), max_rows=3)
    [checkpoint] = asyncio.run(opened_checkpoints(database))
    database.checkpoints = (replace(checkpoint, next=checkpoint.next._replace(page=0, offset=7)),)
    Loop(database).run()
    assert database.rows_left() == []


def test_an_unreplicated_server_is_reported_once():
    loop = Loop(made(200))
    loop.run()
    assert len(loop.told(NoReplicas)) == 1
