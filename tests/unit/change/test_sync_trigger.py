"""The trigger's names are its own and sort last; a proof relies on it only while nobody has touched it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.change.sync_trigger import SyncState, function_name, held, trigger_name
from backfill.values.identifier import BYTES_MAX

STATE = SyncState(
    identity="16390 731 16388 731",
    always=True,
    last=True,
    as_made=True,
    conditional=True,
    rows_missed=0,
    rows_missed_before=0,
)
JOBS = st.text("abcxyz0189._-", min_size=1, max_size=120)


@given(JOBS, JOBS)
def test_names_fit_and_are_a_jobs_own(job: str, other: str):
    for name in (function_name, lambda job: trigger_name(job, ())):
        assert len((name(job) or "").encode()) <= BYTES_MAX
        assert (name(job) == name(other)) == (job == other)


@given(JOBS, st.lists(st.text("abzZ_~", max_size=10)))
def test_the_trigger_sorts_behind_all_others(job: str, others: list[str]):
    name = trigger_name(job, others)
    assert name is None or all(name.encode() > other.encode() for other in others)


def test_the_trigger_of_another_job_is_followed_by_ours():
    assert trigger_name("a", ()) == "zzz_backfill_a"
    assert trigger_name("a", ("zzz_backfill_b", "touch")) == "zzzz_backfill_a"
    assert trigger_name("a", ("zzzz",)) == "zzzz_backfill_a"
    assert trigger_name("a", ("ä",)) is None
    assert trigger_name("a", ("~last",)) is None


def test_a_proof_relies_on_a_trigger_that_was_there_all_the_time():
    assert held(STATE, STATE)
    assert not held(None, None)
    assert not held(STATE, None)


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "16390 732 16388 731"},
        {"always": False},
        {"last": False},
        {"as_made": False},
        {"conditional": False},
        {"rows_missed": 1},
        {"rows_missed": None},
        {"rows_missed": None, "rows_missed_before": None},
    ],
)
def test_a_proof_relies_on_no_other(change: dict[str, Any]):
    touched = replace(STATE, **change)
    assert not held(STATE, touched)
    assert "identity" in change or not held(touched, touched)
