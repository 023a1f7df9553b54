"""The job: what a job file asks for, as frozen values with their units in their names.

A file uses the contract's keys (the aliases), Python the attributes; both meet the same limits. Defaults that follow
from another value are filled in here, so that no reader has to ask what was left out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from backfill.core import text
from backfill.core.field import Contradiction, Written, contradictory
from backfill.core.identifier import TableName, quote
from backfill.core.quantity import duration, one_of, rate, size, whole
from backfill.core.units import format_duration, parse_duration, parse_rate, parse_size

SynchronousCommit = Literal["off", "local", "remote_write", "on", "remote_apply"]

_ROWS = whole(1, 1_000_000, 5000)
_Rows = Annotated[int, _ROWS]
_SQL = {"type": ["string", "number", "boolean", "null"]}
_Standby = Annotated[str, Written(text.parse_standby, {"type": "string", "minLength": 1})]
_Standbys = Annotated[tuple[_Standby, ...], BeforeValidator(text.parse_list)]


def _field(parse: Callable[[str], Any], default: str, description: str, *, key: str | None = None) -> Any:
    """Return a field whose default reads in the JSON Schema as a person would write it."""
    shown: dict[str, Any] = {"default": default, "examples": [default]}
    return Field(default=parse(default), alias=key, description=description, json_schema_extra=shown)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


class Assignment(_Model):
    """One column and the expression that it is set to."""

    column: Annotated[str, Written(text.parse_key, {"type": "string"})]
    expression: Annotated[str, Written(text.parse_sql, _SQL)]


class Batch(_Model):
    """How much one transaction may take."""

    rows: _Rows = Field(default=5000, description="Rows of the first batch; the pace is adapted from there.")
    min_rows: _Rows = Field(
        default=1000,
        description="Rows that a batch prefers not to go below; 1000, or `rows` where that is less.",
    )
    max_rows: _Rows = Field(
        default=10_000, description="Rows that no batch exceeds; 10000, or `rows` where that is more."
    )
    target_time_s: Annotated[float, duration("10ms", "1m")] = _field(
        parse_duration, "250ms", "Time that a batch should take, row locks included.", key="target_time"
    )
    stripes: Annotated[int, one_of(1, 2, 4, 8, 16, 32, 64)] = Field(
        default=8,
        description="Transactions that share a range of pages, so that updates stay in their page (HOT); 1 is plain.",
    )

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, written: Any) -> Any:
        """Let the limits that were left out follow those that were written."""
        keys = {"rows", "min_rows", "max_rows"}
        if not isinstance(written, dict) or written.keys().isdisjoint(keys):
            return written
        given: dict[str, int] = {}
        for key in keys & written.keys():
            with suppress(PydanticCustomError):  # told when the field itself is read
                given[key] = _ROWS.parse(written[key])
        least, most = given.get("min_rows", 1), given.get("max_rows", 1_000_000)
        rows = given.get("rows", max(least, min(5000, most)))
        return {
            "rows": rows,
            "min_rows": min(1000, rows, most),
            "max_rows": max(10_000, rows, least),
            **written,
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


class Replicas(_Model):
    """Which standbys count."""

    require: _Standbys = Field(
        default=(),
        description="Names (application_name) that must be connected; work stops while one is missing.",
    )
    ignore: _Standbys = Field(default=(), description='Patterns of names whose lag does not count, such as "dr-*".')
    min_count: Annotated[int, whole(0, 1000, 1)] = Field(
        default=0, alias="min", description="Number of counted standbys that must be connected; 0 by default."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = [
            Contradiction((("require", place),), f"'{name}' is required, but ignored by '{pattern}'")
            for place, name in enumerate(self.require)
            for pattern in self.ignore
            if fnmatchcase(name, pattern)
        ]
        if found:
            raise contradictory(found)
        return self


class Throttle(_Model):
    """What the job's WAL may cost; the worst of all counts."""

    max_lag_s: Annotated[float, duration("100ms", "1d")] = _field(
        parse_duration,
        "10s",
        "Lag in time that no counted standby may exceed: a budget, not a target.",
        key="max_lag",
    )
    max_lag_bytes: Annotated[int, size("1MB", "1024TB")] = _field(
        parse_size, "256MB", "WAL that a counted standby may have yet to replay; 1MB is 1024² bytes."
    )
    max_wal_rate_bytes_s: Annotated[int, rate("16kB/s", "1TB/s")] = _field(
        parse_rate, "32MB/s", "WAL that the job may write in a second.", key="max_wal_rate"
    )
    replicas: Replicas = Field(default_factory=Replicas, description="Standbys to require and to ignore.")
    max_slot_retained_bytes: Annotated[int, size("1MB", "1024TB")] = _field(
        parse_size,
        "10GB",
        "WAL that any replication slot may hold on the primary's disk.",
        key="max_slot_retained",
    )
    max_archive_backlog_bytes: Annotated[int, size("1MB", "1024TB")] = _field(
        parse_size, "1GB", "WAL that may wait for the archiver.", key="max_archive_backlog"
    )


class Job(_Model):
    """A backfill job: which columns of which table to fill, and what that may cost."""

    name: Annotated[str, Written(text.parse_job_name, {"type": "string", "pattern": text.JOB_NAME_PATTERN})] = Field(
        description="The job's name, by which its state is found again: a-z, 0-9, '.', '_' and '-'.",
        examples=["users-handle"],
    )
    table: Annotated[
        TableName, Written(text.parse_table, {"type": "string"}), PlainSerializer(str, return_type=str)
    ] = Field(
        description="The table, written as in SQL; without a schema it is in public.",
        examples=["public.users"],
    )
    assignments: Annotated[
        tuple[Assignment, ...],
        BeforeValidator(text.parse_assignments),
        WithJsonSchema({"type": "object", "minProperties": 1, "additionalProperties": _SQL}),
    ] = Field(
        alias="set",
        description="Column: any SQL expression over the row, with SQL's own quotes inside YAML's, if any.",
        examples=[{"handle": "username"}],
    )
    where: Annotated[str, Written(text.parse_sql, _SQL)] = Field(
        description="SQL condition of the rows still to do; it must turn false once they are set.",
        examples=["handle IS NULL"],
    )
    batch: Batch = Field(default_factory=Batch, description="How much one transaction may take.")
    throttle: Throttle = Field(default_factory=Throttle, description="What the job's WAL may cost.")
    lock_timeout_s: Annotated[float, duration("10ms", "1m")] = _field(
        parse_duration, "1s", "Time to wait for a lock before the batch is tried again.", key="lock_timeout"
    )
    statement_timeout_s: Annotated[float, duration("1s", "1h")] = _field(
        parse_duration,
        "15s",
        "Time after which the server ends a statement of ours.",
        key="statement_timeout",
    )
    synchronous_commit: Annotated[SynchronousCommit, one_of(*get_args(SynchronousCommit))] = Field(
        default="off",
        description="When a commit counts; off is safe here, as a crash takes a batch and its checkpoint together.",
    )

    @field_serializer("assignments")
    def _as_written(self, assignments: tuple[Assignment, ...]) -> dict[str, str]:
        return {quote(one.column): one.expression for one in assignments}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        columns = [one.column for one in self.assignments]
        found = [
            Contradiction((("set", place, "column"),), f"column '{column}' is set twice")
            for place, column in enumerate(columns)
            if column in columns[:place]
        ]
        written = self.model_fields_set
        default = {
            name: "" if name in written else " (the default)" for name in ("statement_timeout_s", "lock_timeout_s")
        }
        longest = format_duration(self.statement_timeout_s) + default["statement_timeout_s"]
        shorter = {
            "lock_timeout": (self.lock_timeout_s, default["lock_timeout_s"]),
            "batch.target_time": (self.batch.target_time_s, ""),
        }
        found += [
            Contradiction(
                (("statement_timeout",), tuple(key.split("."))),
                f"'statement_timeout' {longest} is not above '{key}' {format_duration(time_s)}{note}",
            )
            for key, (time_s, note) in shorter.items()
            if time_s >= self.statement_timeout_s
        ]
        if found:
            raise contradictory(found)
        return self
