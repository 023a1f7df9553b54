"""Limits of a started job that can be changed while it runs: their names, their values, and how they are changed.

A limit is named by its path in the job file, without `throttle.`: `max_lag`, `replicas.min`, `batch.max_rows`. Its
value is written as in the file, a list with commas. Overrides are saved with the job and apply to later runs too, until
they are reset. The whole job is validated again, so that two limits never contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from yaml import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from backfill.jobfile.field_types import UnquotedScalar
from backfill.jobfile.job import Job
from backfill.jobfile.validation_messages import validation_messages
from backfill.values.errors import JobError
from backfill.values.text import shown
from backfill.values.units import format_duration, format_rate, format_size

Path = tuple[str, ...]

_PATHS: dict[str, Path] = {
    **{
        key: ("throttle", key)
        for key in (
            *("max_lag", "max_lag_bytes", "max_wal_rate", "max_slot_retained", "max_slot_lag"),
            *("max_archive_backlog", "max_blocked_sessions"),
        )
    },
    **{f"replicas.{key}": ("throttle", "replicas", key) for key in ("require", "ignore", "min")},
    **{f"batch.{key}": ("batch", key) for key in ("rows", "min_rows", "max_rows", "target_time")},
    "lock_timeout": ("lock_timeout",),
    "statement_timeout": ("statement_timeout",),
}
LIMITS = tuple(_PATHS)
"""Every limit that can be tuned."""

_LISTS = frozenset({"replicas.require", "replicas.ignore"})
_FORMATS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(("max_lag", "batch.target_time", "lock_timeout", "statement_timeout"), format_duration),
    **dict.fromkeys(("max_lag_bytes", "max_slot_retained", "max_slot_lag", "max_archive_backlog"), format_size),
    "max_wal_rate": format_rate,
    **dict.fromkeys(_LISTS, ",".join),
}


@dataclass(frozen=True, slots=True)
class TimedLimit:
    """A changed limit that holds until an end, and then is what it would be without it."""

    value: str
    until: datetime


def limits_at(tuned: Mapping[str, str], timed: Mapping[str, TimedLimit], now: datetime) -> dict[str, str]:
    """Return the changed limits that hold at a moment; one with an end goes before one without."""
    return {**tuned, **{name: limit.value for name, limit in timed.items() if limit.until > now}}


def moments(timed: Mapping[str, TimedLimit], now: datetime) -> Iterator[datetime]:
    """Yield the moments from which on other limits hold."""
    yield from sorted({now, *(limit.until for limit in timed.values() if limit.until > now)})


def parse(pairs: Iterable[str]) -> dict[str, str]:
    """Return `max_lag=5s` and the like as limit and text; raise JobError for anything else."""
    changes: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().removeprefix("throttle.")
        if not equals:
            raise JobError(f"not a limit and its value: {shown(pair)}; write one such as max_lag=5s")
        if name not in _PATHS:
            near = get_close_matches(name, LIMITS, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(LIMITS)}"
            raise JobError(f"unknown limit {shown(name)}; {meant}")
        if name in changes:
            raise JobError(f"limit '{name}' is given twice")
        changes[name] = value.strip()
    return changes


def with_overrides(job: Job, changes: Mapping[str, str]) -> Job:
    """Return the job under changed limits; raise JobError with everything that is wrong, one line each."""
    known = {name: text for name, text in changes.items() if name in _PATHS}
    if not known:
        return job
    spec = job.model_dump(mode="json", by_alias=True, exclude_none=True)
    for name, text in known.items():
        _put(spec, name, _items(text) if name in _LISTS else UnquotedScalar(text))
    try:
        return Job.model_validate(spec, by_alias=True, by_name=False)
    except ValidationError as error:
        lines = dict.fromkeys(problem.message for problem in validation_messages(error, "", _nodes(known)))
        raise JobError("\n".join(lines)) from None


def shown_limits(job: Job) -> dict[str, str]:
    """Return every limit of the job as a person would write it."""
    spec = job.model_dump(by_alias=True)
    return {name: _FORMATS.get(name, str)(_value(spec, path)) for name, path in _PATHS.items()}


def _value(spec: Mapping[str, Any], path: Path) -> Any:
    value: Any = spec
    for key in path:
        value = value[key]
    return value


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = _PATHS[name]
    for key in parents:
        tree = tree.setdefault(key, {})
    tree[last] = value


def _items(text: str) -> list[str]:
    """Return the items of a list; `none` is an empty one, as it is shown."""
    return [] if text.strip() == "none" else [item.strip() for item in text.split(",") if item.strip()]


_NOWHERE = Mark("", 0, 0, 0, "", 0)


def _nodes(changes: Mapping[str, str]) -> MappingNode:
    """Return the changes as the nodes of a job file, for the messages."""
    tree: dict[str, Any] = {}
    for name, text in changes.items():
        _put(tree, name, _items(text) if name in _LISTS else text)
    node = _node(tree)
    assert isinstance(node, MappingNode)
    return node


def _node(value: Any) -> Node:
    if isinstance(value, dict):
        pairs = [(_node(key), _node(item)) for key, item in value.items()]
        return MappingNode("tag:yaml.org,2002:map", pairs, _NOWHERE, _NOWHERE)
    if isinstance(value, list):
        return SequenceNode("tag:yaml.org,2002:seq", [_node(item) for item in value], _NOWHERE, _NOWHERE)
    return ScalarNode("tag:yaml.org,2002:str", value, _NOWHERE, _NOWHERE)
