"""One time window of a job: days, times of day and a time zone, such as `Mon-Fri 22:00-06:00 Europe/Berlin`.

It begins on each of its days. If its end is not after its start, it ends on the next day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import groupby
from zoneinfo import ZoneInfo, available_timezones

from pydantic_core import PydanticCustomError

from backfill.jobfile.field_types import message, wrong_kind
from backfill.values.text import shown

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EXAMPLE = "mon-fri 22:00-06:00 Europe/Berlin"
WINDOW_PATTERN = r"^\s*([A-Za-z][A-Za-z, -]*\s)?\s*[0-9]{1,2}:[0-9]{2}\s*-\s*[0-9]{1,2}:[0-9]{2}\s+\S+\s*$"
DAY_MINUTES = 24 * 60

_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {name: number for names in (_FULL, map(str.lower, DAYS)) for number, name in enumerate(names)}
_WINDOW = re.compile(
    r"\s*(?:(?P<days>[^\s0-9][^0-9]*?)\s+)?(?P<start>[0-9]+:[0-9]+)\s*-\s*(?P<end>[0-9]+:[0-9]+)(?:\s+(?P<zone>\S+))?\s*"
)
_OF_THIS_MACHINE = frozenset({"localtime", "Factory", "posixrules"})
"""Names that the time zone database of a machine may have, and that mean nothing on another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """A window; `days` count from Monday, 0. An `end_minute` above 24 h is one of the next day."""

    days: tuple[int, ...]
    start_minute: int
    end_minute: int
    zone: str

    @property
    def zone_info(self) -> ZoneInfo:
        """The rules of its time zone."""
        return ZoneInfo(self.zone)

    def __str__(self) -> str:
        """Return it as a job file writes it: `Mon-Fri 22:00-06:00 Europe/Berlin`."""
        end_minute = self.end_minute - DAY_MINUTES if self.end_minute > DAY_MINUTES else self.end_minute
        return f"{_days_text(self.days)} {_time_text(self.start_minute)}-{_time_text(end_minute)} {self.zone}"


def parse_window(value: object) -> TimeWindow:
    """Return the window that a text describes."""
    if isinstance(value, TimeWindow):
        return value
    if not isinstance(value, str):
        raise wrong_kind(f"write a text such as {EXAMPLE}")
    found = _WINDOW.fullmatch(value)
    if found is None:
        raise message(f"not a window: {shown(value)}; write days, times and a time zone, such as {EXAMPLE}")
    if found["zone"] is None:
        raise message(f"no time zone in window {shown(value)}; add one, such as Europe/Berlin or UTC")
    start_minute, end_minute = (_minute(found, part) for part in ("start", "end"))
    if start_minute == DAY_MINUTES:
        raise message("a window starts at 23:59 at the latest; write 00:00 and the next day", found.start("start"))
    if start_minute == end_minute:
        times = f"{found['start']}-{found['end']}"
        raise message(f"window {times} has no length; a whole day is 00:00-24:00", found.start("start"))
    return TimeWindow(
        days=_days(found),
        start_minute=start_minute,
        end_minute=end_minute if end_minute > start_minute else end_minute + DAY_MINUTES,
        zone=_zone(found["zone"], found.start("zone")),
    )


def parse_windows(value: object) -> tuple[object, ...]:
    """Return the items of a list of windows; one alone may stand for itself. Each is parsed by its own type."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise wrong_kind(f"write a window such as {EXAMPLE}, or a list of several")
    return tuple(value)


def _days(found: re.Match[str]) -> tuple[int, ...]:
    """Return the days that are named, alone or as `first-last`; all of them if none is."""
    if found["days"] is None:
        return tuple(range(7))
    days: set[int] = set()
    for part in re.finditer(r"[^,]+|(?<=,)(?=,|$)", found["days"]):
        ends = [_day(word, found.start("days") + part.start()) for word in part[0].split("-", maxsplit=1)]
        days.update((ends[0] + step) % 7 for step in range((ends[-1] - ends[0]) % 7 + 1))
    return tuple(sorted(days))


def _day(word: str, offset: int) -> int:
    number = _NUMBERS.get(word.strip().lower())
    if number is None:
        days = ", ".join(map(str.lower, DAYS[:-1]))
        raise message(f"unknown day {shown(word.strip())}; write {days} or {DAYS[-1].lower()}, such as mon-fri", offset)
    return number


def _minute(found: re.Match[str], part: str) -> int:
    hour, minute = found[part].split(":")
    minutes = int(hour[:4]) * 60 + int(minute[:4])
    if len(hour) > 2 or len(minute) != 2 or int(minute) > 59 or minutes > DAY_MINUTES:
        raise message(f"not a time of day: {shown(found[part])}; write 00:00 to 24:00", found.start(part))
    return minutes


@lru_cache(maxsize=64)
def _has_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, not a name, a directory
        return False
    return name not in _OF_THIS_MACHINE


def _zone(name: str, offset: int) -> str:
    if not _has_zone(name):
        raise _unknown_zone(name, offset)
    return name


def _unknown_zone(name: str, offset: int) -> PydanticCustomError:
    if not _has_zone("UTC"):
        return message("this machine has no time zone database; install the package tzdata", offset)
    known = {zone.lower(): zone for zone in available_timezones() - _OF_THIS_MACHINE}
    near = get_close_matches(name.lower(), known, n=1)
    meant = f"did you mean '{known[near[0]]}'?" if near else "write one such as Europe/Berlin or UTC"
    return message(f"unknown time zone {shown(name)}; {meant}", offset)


def _days_text(days: tuple[int, ...]) -> str:
    return ",".join(_runs(days))


def _runs(days: tuple[int, ...]) -> Iterator[str]:
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        names = [DAYS[day] for _, day in run]
        if len(names) > 2:
            yield f"{names[0]}-{names[-1]}"
        else:
            yield from names


def _time_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
