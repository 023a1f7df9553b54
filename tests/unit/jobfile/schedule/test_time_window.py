"""A window is read as a person writes it, written back as it may be read, and a wrong one says what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.jobfile.load import load
from backfill.jobfile.schedule.time_window import TimeWindow, parse_window
from tests.factories import job
from tests.unit.jobfile.job_errors import errors_of, has_our_words_only

SOUND = "name: a\ntable: t\nset: {x: y}\nwhere: x IS NULL\n"
NIGHTS = TimeWindow(days=(0, 1, 2, 3, 4), start_minute=22 * 60, end_minute=30 * 60, zone="Europe/Berlin")


def windows_of(added: str) -> tuple[str, ...]:
    return tuple(map(str, load(f"{SOUND}{added}\n", "job.yaml").job.window))


@pytest.mark.parametrize(
    ("added", "windows"),
    [
        ("window: mon-fri 22:00-06:00 Europe/Berlin", ("Mon-Fri 22:00-06:00 Europe/Berlin",)),
        ("window: [mon-fri 22:00-06:00 Europe/Berlin]", ("Mon-Fri 22:00-06:00 Europe/Berlin",)),
        (
            'window: ["Mon-Fri 22:00-06:00 Europe/Berlin", "Sat,Sun 00:00-24:00 UTC"]',
            ("Mon-Fri 22:00-06:00 Europe/Berlin", "Sat,Sun 00:00-24:00 UTC"),
        ),
        ("window:\n  - sunday 1:30 - 4:00 America/New_York", ("Sun 01:30-04:00 America/New_York",)),
        ("window: 00:00-24:00 UTC", ("Mon-Sun 00:00-24:00 UTC",)),
        ("window: []", ()),
        ("window: fri-mon 12:00-00:00 UTC", ("Mon,Fri-Sun 12:00-24:00 UTC",)),
        ("window: 'tue , thu-fri 08:00-08:01 Asia/Kolkata'", ("Tue,Thu,Fri 08:00-08:01 Asia/Kolkata",)),
    ],
)
def test_a_window_is_read_and_written_back_in_one_form(added: str, windows: tuple[str, ...]):
    assert windows_of(added) == windows
    assert windows_of(f"window: {list(windows)}") == windows


def test_a_window_over_midnight_ends_on_the_next_day():
    assert parse_window("mon-fri 22:00-06:00 Europe/Berlin") == NIGHTS


@given(
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]),
)
def test_every_window_can_be_read_back(days: set[int], start: int, length: int, zone: str):
    end = start + length
    if length == 1440 and start > 0:
        return  # 05:00-05:00 cannot be told from a window of no length, and is refused
    window = TimeWindow(days=tuple(sorted(days)), start_minute=start, end_minute=end, zone=zone)
    assert parse_window(str(window)) == window


def test_the_job_that_is_kept_with_its_limits_has_the_same_windows():
    before = job(window="mon-fri 22:00-06:00 Europe/Berlin")
    assert before.model_dump(mode="json", by_alias=True)["window"] == ["Mon-Fri 22:00-06:00 Europe/Berlin"]
    assert type(before).model_validate(before.model_dump(mode="json", by_alias=True)).window == (NIGHTS,)


EXAMPLE = "mon-fri 22:00-06:00 Europe/Berlin"
WRONG = [
    ("window: nights", f"5:9: not a window: 'nights'; write days, times and a time zone, such as {EXAMPLE}"),
    ("window: {days: mon}", f"5:9: 'window' is a mapping; write a window such as {EXAMPLE}, or a list of several"),
    (
        "window: [sat,sun 00:00-24:00 UTC]",
        f"5:10: not a window: 'sat'; write days, times and a time zone, such as {EXAMPLE}",
    ),
    (
        "window: mon-fri 22:00-06:00",
        "5:9: no time zone in window 'mon-fri 22:00-06:00'; add one, such as Europe/Berlin or UTC",
    ),
    (
        "window: [22:00-06:00 UTC, mo-fri 22:00-06:00 UTC]",
        "5:27: unknown day 'mo'; write mon, tue, wed, thu, fri, sat or sun, such as mon-fri",
    ),
    (
        "window: mon-fri-sun 22:00-06:00 UTC",
        "5:9: unknown day 'fri-sun'; write mon, tue, wed, thu, fri, sat or sun, such as mon-fri",
    ),
    ("window: mon 22:00-25:00 UTC", "5:19: not a time of day: '25:00'; write 00:00 to 24:00"),
    ("window: mon 22:60-23:00 UTC", "5:13: not a time of day: '22:60'; write 00:00 to 24:00"),
    ("window: mon 24:00-01:00 UTC", "5:13: a window starts at 23:59 at the latest; write 00:00 and the next day"),
    ("window: mon 22:00-22:00 UTC", "5:13: window 22:00-22:00 has no length; a whole day is 00:00-24:00"),
    (
        "window: mon 22:00-06:00 Europe/Berln",
        "5:25: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
    ),
    ("window: mon 22:00-06:00 europe/berlin", "5:25: unknown time zone 'europe/berlin'; did you mean 'Europe/Berlin'?"),
    ("window: mon 22:00-06:00 +02:00", "5:25: unknown time zone '+02:00'; write one such as Europe/Berlin or UTC"),
    ("window: mon 22:00-06:00 Europe", None),
    ("window: mon 22:00-06:00 ../../etc/passwd", None),
    ("window: mon 22:00-06:00 localtime", None),
]


@pytest.mark.parametrize(("added", "expected"), WRONG)
def test_a_wrong_window_says_where_and_what_to_write(added: str, expected: str | None):
    found = errors_of(f"{SOUND}{added}\n")
    assert has_our_words_only(found)
    if expected is None:
        assert found.startswith("5:25: unknown time zone ")
    else:
        assert found == expected


def test_a_machine_without_a_time_zone_database_says_what_to_install(monkeypatch):
    monkeypatch.setattr("backfill.jobfile.schedule.time_window._has_zone", lambda name: False)
    expected = "5:25: this machine has no time zone database; install the package tzdata"
    assert errors_of(f"{SOUND}window: mon 22:00-06:00 Europe/Berlin\n") == expected
