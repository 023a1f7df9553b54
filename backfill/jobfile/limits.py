"""The limits of a job: batch size, lag of replicas and slots, other sessions' waits, the user's own probes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import islice
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from backfill.jobfile import string_fields as text
from backfill.jobfile.field_types import (
    Contradiction,
    ParsedType,
    StrictModel,
    contradictory,
    message,
    written,
    wrong_kind,
)
from backfill.jobfile.number_fields import duration, number, one_of, rate, size, whole
from backfill.values.text import shown
from backfill.values.units import parse_duration, parse_rate, parse_size

STRIPES_MAX = 12
_ROWS = whole(1, 1_000_000, 5000)
_Rows = Annotated[int, _ROWS]
_Standby = Annotated[str, ParsedType(text.parse_standby, {"type": "string", "minLength": 1})]
_Standbys = Annotated[tuple[_Standby, ...], BeforeValidator(text.list_like("[replica-a]"))]
_Conninfo = Annotated[str, ParsedType(text.parse_words, {"type": "string", "minLength": 1})]


class BatchLimits(StrictModel):
    """How much one transaction may update."""

    rows: _Rows = Field(default=5000, description="Rows of the first batch; later sizes follow from what batches cost.")
    min_rows: _Rows = Field(
        default=1000,
        description="Smallest batch, unless a limit allows less; 1000 by default, or `rows` if that is less.",
    )
    max_rows: _Rows = Field(default=10_000, description="Largest batch; 10000 by default, or `rows` if that is more.")
    target_time_s: Annotated[float, duration("10ms", "1m")] = written(
        parse_duration, "250ms", "Time that a batch should take, waits for row locks included.", key="target_time"
    )
    stripes: Annotated[int | Literal["auto"], one_of("auto", *range(1, STRIPES_MAX + 1))] = Field(
        default="auto",
        description="Batches that share a range of pages, so that updated rows stay in their page (HOT); 1 is off.",
    )

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, values: Any) -> Any:
        """Derive omitted limits from those that were written."""
        keys = {"rows", "min_rows", "max_rows"}
        if not isinstance(values, dict) or values.keys().isdisjoint(keys):
            return values
        given: dict[str, int] = {}
        for key in keys & values.keys():
            with suppress(PydanticCustomError):  # reported when the field itself is read
                given[key] = _ROWS.parse(values[key])
        least, most = given.get("min_rows", 1), given.get("max_rows", 1_000_000)
        rows = given.get("rows", max(least, min(5000, most)))
        return {
            "rows": rows,
            "min_rows": min(1000, rows, most),
            "max_rows": max(10_000, rows, least),
            **values,
        }

    @model_validator(mode="after")
    def _agree(self) -> Self:
        pairs = [("min_rows", "max_rows")]
        if self.min_rows <= self.max_rows:
            pairs = [("min_rows", "rows"), ("rows", "max_rows")]
        found = [
            Contradiction(((low,), (high,)), f"'{low}' {getattr(self, low)} is above '{high}' {getattr(self, high)}")
            for low, high in pairs
            if getattr(self, low) > getattr(self, high)
        ]
        if found:
            raise contradictory(found)
        return self


class ReplicaLimits(StrictModel):
    """Which standbys the throttle looks at."""

    require: _Standbys = Field(
        default=(),
        description="Standbys (application_name) that must be connected; no batch starts while one is missing.",
    )
    ignore: _Standbys = Field(default=(), description='Patterns of standby names whose lag is ignored, such as "dr-*".')
    min_count: Annotated[int, whole(0, 1000, 1)] = Field(
        default=0,
        alias="min",
        description="Number of standbys that must be connected, ignored ones excluded; 0 by default.",
    )
    direct: Annotated[tuple[_Conninfo, ...], BeforeValidator(text.list_like("[replica-a]"))] = Field(
        default=(),
        description="Connection strings of replicas to query directly, such as cascading standbys, which the primary"
        " does not see. No passwords: use a password file.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = [
            Contradiction((("require", index),), f"'{name}' is required, but ignored by '{pattern}'")
            for index, name in enumerate(self.require)
            for pattern in islice((pattern for pattern in self.ignore if fnmatchcase(name, pattern)), 1)
        ]
        if found:
            raise contradictory(found)
        return self


class ProbeLimit(StrictModel):
    """A number of your own with a limit: from an SQL query, or from Prometheus."""

    name: Annotated[str, ParsedType(text.parse_job_name, {"type": "string", "pattern": text.JOB_NAME_PATTERN})] = Field(
        description="The probe's name in wait reasons and metrics.", examples=["active-sessions"]
    )
    limit: Annotated[float, number(-1e15, 1e15, 0.8)] = Field(
        alias="max", description="No batch starts while the value is above this.", examples=[50]
    )
    sql: Annotated[str | None, ParsedType(text.parse_query, {"type": "string"})] = Field(
        default=None,
        description="An SQL expression or a SELECT of one number, run on the primary: (SELECT count(*) FROM …).",
    )
    prometheus: Annotated[str | None, ParsedType(text.parse_url, {"type": "string", "format": "uri"})] = Field(
        default=None, description="Address of a Prometheus server.", examples=["http://prometheus:9090"]
    )
    query: Annotated[str | None, ParsedType(text.parse_words, {"type": "string"})] = Field(
        default=None, description="PromQL query; the highest value of several series counts."
    )
    every_s: Annotated[float, duration("200ms", "5m")] = written(
        parse_duration, "5s", "Time between two readings; a value older than three of these is unknown.", key="every"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        by_sql, by_prometheus = self.sql is not None, (self.prometheus is not None, self.query is not None)
        if by_sql == any(by_prometheus) or any(by_prometheus) != all(by_prometheus):
            text = f"probe '{self.name}' needs either 'sql', or 'prometheus' and 'query'"
            raise contradictory([Contradiction((("name",),), text)])
        return self


_SESSIONS = whole(0, 100_000, 40)


def _parse_session_limits(value: object) -> tuple[tuple[str, int], ...]:
    """Return each role and its limit, as written in a mapping: `{app: 40}`."""
    if not isinstance(value, Mapping):
        raise wrong_kind("write a mapping such as {app: 40}")
    limits: list[tuple[str, int]] = []
    for role, limit in value.items():
        try:
            limits.append((text.parse_words(role), _SESSIONS.parse(limit)))
        except PydanticCustomError:
            words = f"active sessions of {shown(str(role))} are {shown(str(limit))}"
            raise message(f"{words}; write a role and a whole number, such as app: 40") from None
    return tuple(limits)


class ThrottleLimits(StrictModel):
    """Limits on what the job may cost others; the tightest one decides."""

    max_lag_s: Annotated[float, duration("100ms", "1d")] = written(
        parse_duration,
        "10s",
        "Most replay lag of any standby that counts: a limit, not a target.",
        key="max_lag",
    )
    max_lag_bytes: Annotated[int, size("1MB", "1024TB")] = written(
        parse_size, "256MB", "Most WAL that such a standby may still have to replay; 1MB is 1024² bytes."
    )
    max_wal_rate_bytes_s: Annotated[int, rate("16kB/s", "1TB/s")] = written(
        parse_rate, "32MB/s", "Most WAL that the job may write per second.", key="max_wal_rate"
    )
    replicas: ReplicaLimits = Field(
        default_factory=ReplicaLimits, description="Standbys to require, to ignore or to query directly."
    )
    max_slot_retained_bytes: Annotated[int, size("1MB", "1024TB")] = written(
        parse_size,
        "10GB",
        "Most WAL that a replication slot may retain on the primary.",
        key="max_slot_retained",
    )
    max_archive_backlog_bytes: Annotated[int, size("1MB", "1024TB")] = written(
        parse_size, "1GB", "Most WAL that may wait for the archiver.", key="max_archive_backlog"
    )
    max_slot_lag_bytes: Annotated[int, size("1MB", "1024TB")] = written(
        parse_size, "1GB", "Most WAL that the consumer of a logical slot may still have to confirm.", key="max_slot_lag"
    )
    max_blocked_sessions: Annotated[int, whole(0, 10_000, 0)] = Field(
        default=0,
        description="Most sessions that may wait for locks of a batch; with more, batches become smaller and pause.",
    )
    max_active_sessions: Annotated[
        tuple[tuple[str, int], ...],
        ParsedType(_parse_session_limits, {"type": "object", "additionalProperties": _SESSIONS.schema}),
        PlainSerializer(dict, return_type=dict[str, int]),
    ] = Field(
        default=(),
        description="Role: sessions of it that may run a statement, in all databases; no batch starts while more do.",
        examples=[{"app": 40}],
    )
    probes: Annotated[
        tuple[ProbeLimit, ...], BeforeValidator(text.list_like("[{name: active, sql: ..., max: 50}]"))
    ] = Field(default=(), description="Numbers of your own, each with a limit; an unknown value means wait.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        names = [probe.name for probe in self.probes]
        found = [
            Contradiction((("probes", index, "name"),), f"probe '{name}' is defined twice")
            for index, name in enumerate(names)
            if name in names[:index]
        ]
        if found:
            raise contradictory(found)
        return self
