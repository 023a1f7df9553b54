"""One judgement about a database before a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

NAMES_SHOWN = 3


class FindingLevel(StrEnum):
    """How bad it is: a run is refused on a stop, unless somebody forces it by its name."""

    OK = "ok"
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`name` is for `--force`; `reason` says what is so, `remedy` what to do, nothing if all is well."""

    name: str
    level: FindingLevel
    reason: str
    remedy: str = ""

    @property
    def text(self) -> str:
        """The reason with its remedy."""
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason


def ok(name: str, reason: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, level=FindingLevel.OK, reason=reason)


def warn(name: str, reason: str, remedy: str = "") -> Finding:
    """Return what a person should weigh."""
    return Finding(name=name, level=FindingLevel.WARN, reason=reason, remedy=remedy)


def stop(name: str, reason: str, remedy: str) -> Finding:
    """Return what a job must not run with."""
    return Finding(name=name, level=FindingLevel.STOP, reason=reason, remedy=remedy)


def listed(names: Iterable[str]) -> str:
    """Return names in a sentence: the first few, and how many more there are."""
    unique = tuple(dict.fromkeys(names))
    more = len(unique) - NAMES_SHOWN
    return ", ".join(unique[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
