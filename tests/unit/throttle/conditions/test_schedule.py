"""Closed windows stop the job before any limit is looked at, by the server's clock, until a person opens them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backfill.jobfile.schedule.time_window import parse_window
from backfill.throttle.conditions.schedule import closed_reason
from backfill.throttle.wait_reason import WaitKind, WaitReason
from tests.factories import replica, request, signals
from tests.unit.throttle.conditions.found import conditions_in, reasons

NIGHTS = (parse_window("mon-fri 22:00-06:00 Europe/Berlin"),)
NOON, NIGHT = (datetime(2026, 11, 30, hour, tzinfo=UTC) for hour in (12, 23))
CLOSED = WaitReason(WaitKind.SCHEDULE, "window closed until Mon 22:00 Europe/Berlin")


def test_a_closed_window_is_the_first_reason_behind_a_pause():
    reading = signals(0.0, 0, replica(replay_lsn=None), closed=CLOSED)
    assert reasons(conditions_in(reading))[0] == str(CLOSED)
    found = conditions_in(replace(reading, request=request()))
    assert [condition.reason.kind for condition in found][:2] == [WaitKind.PAUSED, WaitKind.SCHEDULE]


def test_an_open_window_or_none_stops_nothing():
    assert closed_reason((), None, None) is None
    assert closed_reason(NIGHTS, NIGHT, None) is None
    assert conditions_in(signals()) == ()


def test_a_closed_window_says_until_when():
    assert closed_reason(NIGHTS, NOON, None) == CLOSED


def test_an_unknown_time_is_no_open_window():
    reason = closed_reason(NIGHTS, None, None)
    assert reason is not None
    assert (reason.kind, str(reason)) == (WaitKind.BLIND, "window unknown: the server's time was not read")


@pytest.mark.parametrize(
    ("action", "left_s", "works"),
    [
        ("resume", 7200.0, True),
        ("resume", None, False),
        ("resume", 0.0, False),
        ("resume", -1.0, False),
        ("restart", None, False),
        ("pause", 7200.0, False),
    ],
)
def test_a_resume_with_an_end_opens_them_until_then(action: str, left_s: float | None, works: bool):
    assert (closed_reason(NIGHTS, NOON, request(action, left_s=left_s)) is None) is works
