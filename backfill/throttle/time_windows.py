"""Whether a job's time windows are open, and until when. Pure over the windows and a moment.

A window is open while a clock on the wall in its time zone shows a time inside it, and at no other time. So when clocks
are set back, times that come twice are open twice; when they are set forward, times that are skipped never come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backfill.jobfile.schedule.time_window import DAYS, TimeWindow

HORIZON_DAYS = 16
"""Every window opens and closes within two weeks, also one that a change of the clocks skips once."""
_STEP = timedelta(hours=6)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
WEEKDAY_ALONE = timedelta(days=6)
"""Up to here a weekday says which day is meant."""


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """Whether work may be done, and when that changes: None if it does not. `text` is for people."""

    is_open: bool
    until: datetime | None
    text: str


def state_at(windows: Sequence[TimeWindow], now: datetime) -> ScheduleState:
    """Return how the windows stand at a moment; one of them that is open is enough, and so is that there is none."""
    opened = any_open(windows, now)
    until = next((moment for moment in _changes(windows, now) if any_open(windows, moment) is not opened), None)
    word = "open" if opened else "closed"
    if until is None:
        return ScheduleState(opened, None, word if opened else f"closed for {HORIZON_DAYS} days at least")
    window = next(window for window in windows if _is_open(window, now if opened else until))
    return ScheduleState(opened, until, f"{word} until {_moment(until, window, now)}")


def any_open(windows: Sequence[TimeWindow], now: datetime) -> bool:
    """Whether work may be done at a moment."""
    return not windows or any(_is_open(window, now) for window in windows)


def _is_open(window: TimeWindow, now: datetime) -> bool:
    local = now.astimezone(window.zone_info)
    shown = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start, end = timedelta(minutes=window.start_minute), timedelta(minutes=window.end_minute)
    begun_today = local.weekday() in window.days and start <= shown < end
    return begun_today or ((local.weekday() - 1) % 7 in window.days and shown + _DAY < end)


def _changes(windows: Sequence[TimeWindow], now: datetime) -> list[datetime]:
    """Return every moment after `now` at which a window may open or close: its own times, and changes of the clocks."""
    found: set[datetime] = set()
    for window in windows:
        found.update(_boundaries(window, now))
    for zone in {window.zone for window in windows}:
        found.update(_clock_changes(ZoneInfo(zone), now))
    return sorted(moment for moment in found if moment > now)


def _boundaries(window: TimeWindow, now: datetime) -> Iterator[datetime]:
    zone = window.zone_info
    midnight = now.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    for day in range(-1, HORIZON_DAYS):
        for minute in (window.start_minute, window.end_minute):
            local = midnight + timedelta(days=day, minutes=minute)
            for fold in (0, 1):
                yield local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _clock_changes(zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Yield when the clocks of a zone are set forward or back, to the second."""
    low = now.astimezone(UTC).replace(microsecond=0)
    last = low + timedelta(days=HORIZON_DAYS)
    while low < last:
        high = low + _STEP
        if _offset(zone, low) != _offset(zone, high):
            yield _bisected(zone, low, high)
        low = high


def _bisected(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    before = _offset(zone, low)
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _moment(moment: datetime, window: TimeWindow, now: datetime) -> str:
    local = moment.astimezone(window.zone_info)
    day = DAYS[local.weekday()] if moment - now < WEEKDAY_ALONE else f"{local:%Y-%m-%d}"
    return f"{day} {local:%H:%M} {window.zone}"
