"""Windows are open at the times that a clock on the wall shows, also where it is set: against counting minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backfill.jobfile.schedule.time_window import TimeWindow, parse_window
from backfill.throttle.time_windows import any_open, state_at

NIGHTS = parse_window("mon-fri 22:00-06:00 Europe/Berlin")
MINUTE = timedelta(minutes=1)
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tehran"),
    *("Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Africa/Casablanca", "America/St_Johns"),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shows_time_inside(window: TimeWindow, moment: datetime) -> bool:
    """Whether the wall clock shows a time inside: the window of each day, laid over the times that it shows."""
    wall = moment.astimezone(ZoneInfo(window.zone)).replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    for begins in (midnight, midnight - timedelta(days=1)):
        start, end = (begins + timedelta(minutes=minute) for minute in (window.start_minute, window.end_minute))
        if begins.weekday() in window.days and start <= wall < end:
            return True
    return False


windows = st.builds(
    lambda days, start, length, zone: TimeWindow(
        days=tuple(sorted(days)), start_minute=start, end_minute=start + length, zone=zone
    ),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sampled_from(ZONES),
)
AROUND_CHANGES = [
    utc(text)
    for text in (
        *("2026-03-29T00:10", "2026-10-25T00:10"),  # Berlin
        *("2026-03-08T06:20", "2026-11-01T05:20"),  # New York
        *("2026-04-04T14:30", "2026-10-03T15:00"),  # Lord Howe, by half an hour
        *("2011-12-29T20:00", "2026-02-15T01:30"),  # Apia, without the 30th; Casablanca, for Ramadan
        *("2018-02-17T23:30", "2018-11-04T02:30"),  # Sao Paulo, at midnight
    )
]
moments = st.one_of(
    st.integers(0, 35 * 365 * 24 * 60).map(lambda minutes: utc("2001-01-01") + minutes * MINUTE),
    st.builds(
        lambda change, minutes: change + minutes * MINUTE, st.sampled_from(AROUND_CHANGES), st.integers(-2000, 2000)
    ),
)


@given(st.lists(windows, max_size=3), moments)
@settings(max_examples=150)
def test_work_may_be_done_while_a_clock_on_the_wall_shows_a_time_inside(opened: list[TimeWindow], now: datetime):
    expected = not opened or any(shows_time_inside(window, now) for window in opened)
    assert any_open(opened, now) is expected
    assert state_at(opened, now).is_open is expected


@given(st.lists(windows, min_size=1, max_size=2), moments, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
@example([parse_window("sun 02:10-02:20 Europe/Berlin")], utc("2026-03-28T12:00"), None)
@example([parse_window("fri 10:00-11:00 Pacific/Apia")], utc("2011-12-28T12:00"), None)
@example([parse_window("sun 02:15-02:45 Europe/Berlin")], utc("2026-10-25T00:45"), None)
def test_the_next_change_is_the_first_minute_at_which_it_differs(opened: list[TimeWindow], now: datetime, random):
    now = now.replace(second=0, microsecond=0)
    state = state_at(opened, now)

    def differs(moment: datetime) -> bool:
        return any(shows_time_inside(window, moment) for window in opened) is not state.is_open

    if state.until is None:
        assert all(not differs(now + minute * MINUTE) for minute in range(0, 15 * 24 * 60, 30))
        return
    assert state.until > now
    assert differs(state.until)
    between = int((state.until - now) / MINUTE)
    looked = (
        range(between) if between <= 600 else [*range(300), *range(300, between, 15), *range(between - 300, between)]
    )
    assert not any(differs(now + minute * MINUTE) for minute in looked)


@pytest.mark.parametrize(
    ("window", "now", "text"),
    [
        (NIGHTS, "2026-11-30T12:00", "closed until Mon 22:00 Europe/Berlin"),
        (NIGHTS, "2026-11-30T23:30", "open until Tue 06:00 Europe/Berlin"),
        (NIGHTS, "2026-12-05T04:59:59", "open until Sat 06:00 Europe/Berlin"),
        (NIGHTS, "2026-12-05T05:00", "closed until Mon 22:00 Europe/Berlin"),
        (parse_window("mon 22:00-23:00 UTC"), "2026-11-30T23:00", "closed until 2026-12-07 22:00 UTC"),
        (parse_window("00:00-24:00 UTC"), "2026-11-30T23:00", "open"),
        # The clock goes from 02:00 to 03:00: what begins at 02:30 begins at 03:00, and 02:10 to 02:20 never comes.
        (parse_window("02:30-04:00 Europe/Berlin"), "2026-03-29T00:59", "closed until Sun 03:00 Europe/Berlin"),
        (
            parse_window("sun 02:10-02:20 Europe/Berlin"),
            "2026-03-29T00:59",
            "closed until 2026-04-05 02:10 Europe/Berlin",
        ),
        # The clock goes from 03:00 back to 02:00: 02:15 to 02:45 comes twice.
        (parse_window("sun 02:15-02:45 Europe/Berlin"), "2026-10-25T00:20", "open until Sun 02:45 Europe/Berlin"),
        (parse_window("sun 02:15-02:45 Europe/Berlin"), "2026-10-25T00:50", "closed until Sun 02:15 Europe/Berlin"),
        (parse_window("sun 02:15-02:45 Europe/Berlin"), "2026-10-25T01:20", "open until Sun 02:45 Europe/Berlin"),
    ],
)
def test_a_state_says_until_when_in_the_zone_of_the_window(window: TimeWindow, now: str, text: str):
    assert state_at([window], utc(now)).text == text


def test_several_windows_are_one_while_they_touch():
    weekend = parse_window("sat,sun 00:00-24:00 Europe/Berlin")
    state = state_at([NIGHTS, weekend], utc("2026-12-04T22:00"))
    assert state.text == "open until Mon 00:00 Europe/Berlin"


def test_no_window_is_always_open():
    assert state_at([], utc("2026-12-04T22:00")).is_open
