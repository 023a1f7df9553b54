"""One value of one signal and its limit: the form in which every signal reaches metrics, status, page and log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a value counts; the word is the suffix of the measure's name."""

    SECONDS = "s"
    BYTES = "bytes"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of one subject: a replica, a slot, a role; empty if there is only one.

    `value` is None if it could not be read. `limit` is what the job allows, None if nothing stops for this value.
    `state` is what the server calls the subject's state, such as `streaming` or `lost`.
    """

    measure: str
    value: float | None
    subject: str = ""
    limit: float | None = None
    unit: Unit = Unit.COUNT
    state: str = ""
