"""What a started job may not change, and what it may: each field of a job is one or the other, by the lists here.

`SPEC` decides which rows get which values. Everything else says how the job goes about it: how fast, when, with which
help, what to do with rows that fail. A changed file with the same spec continues the job; any other is refused with
the difference. Differences in blanks and comments of SQL are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.jobfile.sql_expression import normalized
from backfill.values.errors import JobError

SPEC = frozenset({"name", "table", "assignments", "where", "using", "python"})
"""Fields that decide which rows get which values; `name` is what the others are kept under."""
CONDUCT = frozenset(
    {
        *("batch", "throttle", "lock_timeout_s", "statement_timeout_s", "lanes", "window", "after", "priority"),
        *(
            "synchronous_commit",
            "wal_compression",
            "vacuum",
            "sync",
            "on_row_error",
            "max_rejected",
            "accept",
            "finish",
        ),
    }
)
"""Fields that a started job may change: `backfill serve` takes a change up at once, `backfill run` when it starts."""

_SQL = frozenset({"where", "using.on"})


def spec_of(job: Job) -> dict[str, Any]:
    """Return what decides which rows get which values, as it is kept of a job that was started."""
    spec = {
        "table": str(job.table),
        "set": {assignment.column: assignment.expression for assignment in job.assignments},
        "where": job.where,
    }
    more = {"using": job.using, "python": job.python}
    return spec | {
        key: value.model_dump(mode="json", by_alias=True, exclude_none=True) for key, value in more.items() if value
    }


def conduct_of(job: Job) -> dict[str, Any]:
    """Return what a started job may change, as in its file; without conninfos, which may hold passwords."""
    conduct = job.model_dump(mode="json", by_alias=True, include=set(CONDUCT))
    del conduct["throttle"]["probes"], conduct["throttle"]["replicas"]["direct"]
    return conduct


def is_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two specs give the same rows the same values, as far as their texts say."""
    return not _changed_keys(_lines(before), _lines(now))


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the keys that differ, as the lines of a unified diff."""
    was, are = _lines(before), _lines(now)
    return "\n".join(
        f"{sign} {key}: {lines[key]}".replace("\n", f"\n{sign}   ")
        for key in _changed_keys(was, are)
        for sign, lines in (("-", was), ("+", are))
        if key in lines
    )


def other_spec(job_file: JobFile, before: Mapping[str, Any]) -> JobError:
    """Return the error of a job that was started with another spec: where, what differs, and what to do."""
    now, name = spec_of(job_file.job), job_file.job.name
    key = next(iter(_changed_keys(_lines(before), _lines(now))), "name")
    return JobError(
        f"{job_file.at(*key.split('.', 1))}: job {name!r} was started with another file\n"
        f"{difference(before, now)}\n"
        "give the job another name, or start it anew with --restart (rows that are filled stay filled)"
    )


def _lines(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return a spec flat, a line a key; what somebody has edited in the state schema may be of any kind."""
    lines: dict[str, str] = {}
    for key, value in spec.items():
        if isinstance(value, Mapping):
            lines |= {f"{key}.{inner}": _text(item) for inner, item in value.items()}
        else:
            lines[key] = _text(value)
    return lines


def _text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _changed_keys(was: Mapping[str, str], are: Mapping[str, str]) -> list[str]:
    return [key for key in dict.fromkeys([*are, *was]) if _meant(key, was.get(key)) != _meant(key, are.get(key))]


def _meant(key: str, text: str | None) -> str | None:
    return normalized(text) if text is not None and (key in _SQL or key.startswith("set.")) else text
