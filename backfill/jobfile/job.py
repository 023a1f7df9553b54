"""The job: what a job file asks for, as frozen values with their units in their names.

Files use the aliases as keys, Python uses the attributes, and both are subject to the same limits. Defaults that depend
on another value are filled in here, so that every reader sees a complete job. How to add a key is in the docstring of
the package.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, field_serializer, model_validator

from backfill.jobfile import string_fields
from backfill.jobfile.field_types import Contradiction, Omittable, ParsedType, StrictModel, contradictory, written
from backfill.jobfile.finish import Finish
from backfill.jobfile.limits import BatchLimits, ThrottleLimits
from backfill.jobfile.number_fields import duration, one_of, whole
from backfill.jobfile.row_sources import AS_WRITTEN, SQL, Assignment, Python, Using
from backfill.jobfile.schedule.time_window import WINDOW_PATTERN, TimeWindow, parse_window, parse_windows
from backfill.values.identifier import TableName, quote
from backfill.values.units import format_duration, parse_duration

VacuumMode = Literal["auto", "off"]
OnRowError = Literal["fail", "skip"]
SynchronousCommit = Literal["off", "local", "remote_write", "on", "remote_apply"]
WalCompression = Literal["auto", "on", "off"]
SyncMode = Literal["none", "trigger"]
Acceptable = Literal["statement-triggers", "own-table", "one-value", "several-rows", "trigger-constraints"]
"""Differences between one UPDATE and batches that a job may accept by name; `table.plain_update` finds them.

The last one is the risk of a trigger: a constraint may refuse its value.
"""

_JOB_NAME = {"type": "string", "pattern": string_fields.JOB_NAME_PATTERN}
_WINDOW = {"type": "string", "pattern": WINDOW_PATTERN}
FROM_PYTHON = "python"
"""The expression of a column whose value comes from the job's row function."""


class Job(StrictModel):
    """A backfill job: which columns of which table to fill, within which limits."""

    name: Annotated[str, ParsedType(string_fields.parse_job_name, _JOB_NAME)] = Field(
        description="The job's name, which identifies its saved state: a-z, 0-9, '.', '_' and '-'.",
        examples=["users-handle"],
    )
    table: Annotated[TableName, ParsedType(string_fields.parse_table, {"type": "string"}), AS_WRITTEN] = Field(
        description="The table, written as in SQL; without a schema it is in public. Its partitions and child tables"
        " are filled, too.",
        examples=["public.users"],
    )
    assignments: Annotated[
        tuple[Assignment, ...],
        BeforeValidator(string_fields.parse_assignments),
        WithJsonSchema({"type": "object", "minProperties": 1, "additionalProperties": SQL}),
    ] = Field(
        alias="set",
        description="Column: an SQL expression over the row. If YAML needs quotes, put them around SQL's own.",
        examples=[{"handle": "username"}],
    )
    where: Annotated[str, ParsedType(string_fields.parse_sql, SQL)] = Field(
        description="SQL condition of the rows to fill; it must be false for a row once its columns are set.",
        examples=["handle IS NULL"],
    )
    using: Annotated[Using | None, Omittable()] = Field(
        default=None, description="Another table that `set` and `where` may use, as in UPDATE … FROM."
    )
    python: Annotated[Python | None, Omittable()] = Field(
        default=None, description="A Python function over a row's columns; `set` takes its value as `python`."
    )
    sync: Annotated[SyncMode, one_of(*get_args(SyncMode))] = Field(
        default="none",
        description="trigger: before the first batch, make a trigger that fills rows that are inserted or updated; it"
        " stays when the job is done. none: the application fills them.",
    )
    batch: BatchLimits = Field(default_factory=BatchLimits, description="How much one transaction may update.")
    throttle: ThrottleLimits = Field(
        default_factory=ThrottleLimits, description="Limits on what the job may cost others."
    )
    lock_timeout_s: Annotated[float, duration("10ms", "1m")] = written(
        parse_duration, "1s", "Longest wait for a lock; then the batch is retried.", key="lock_timeout"
    )
    statement_timeout_s: Annotated[float, duration("1s", "1h")] = written(
        parse_duration,
        "15s",
        "Time after which the server cancels one of our statements.",
        key="statement_timeout",
    )
    lanes: Annotated[int, whole(1, 16, 2)] = Field(
        default=1,
        description="Batches that run at once, each on its own pages and connection, all within the same limits.",
    )
    synchronous_commit: Annotated[SynchronousCommit, one_of(*get_args(SynchronousCommit))] = Field(
        default="off",
        description="Durability of our commits; off is safe: a crash loses a batch and its checkpoint together.",
    )
    wal_compression: Annotated[WalCompression, one_of(*get_args(WalCompression))] = Field(
        default="auto",
        description="Compress full-page images of our batches; auto: while WAL is the limit, if the role may.",
    )

    vacuum: Annotated[VacuumMode, one_of(*get_args(VacuumMode))] = Field(
        default="auto",
        description="auto: vacuum the table while it is filled, so that it does not bloat; off: leave that to others.",
    )
    on_row_error: Annotated[OnRowError, one_of(*get_args(OnRowError))] = Field(
        default="fail",
        description="What to do when the server rejects a row: fail the run, or record it in backfill.rejected and"
        " continue.",
    )
    max_rejected: Annotated[int, whole(1, 100_000, 1000)] = Field(
        default=1000, description="Most rejected rows that a job may have; one more halts it."
    )

    accept: Annotated[
        tuple[Annotated[Acceptable, one_of(*get_args(Acceptable))], ...],
        BeforeValidator(string_fields.list_like("[own-table]", least=0)),
    ] = Field(
        default=(),
        description="Differences between batches and one plain UPDATE that are acceptable, or risks of a trigger. A job"
        " with any other is refused, and the message names it.",
        examples=[["statement-triggers"]],
    )

    window: Annotated[
        tuple[Annotated[TimeWindow, ParsedType(parse_window, {"type": "string"}), AS_WRITTEN], ...],
        BeforeValidator(parse_windows),
        WithJsonSchema({"anyOf": [_WINDOW, {"type": "array", "items": _WINDOW}]}),
    ] = Field(
        default=(),
        description="When the job may work: days, times and a time zone; a window or a list of several. Always if it is"
        " omitted.",
        examples=[["mon-fri 22:00-06:00 Europe/Berlin", "sat,sun 00:00-24:00 Europe/Berlin"]],
    )
    after: Annotated[
        tuple[Annotated[str, ParsedType(string_fields.parse_job_name, _JOB_NAME)], ...],
        BeforeValidator(string_fields.list_like("[users-username]")),
    ] = Field(default=(), description="Jobs that must be done before this one starts.", examples=[["users-username"]])
    priority: Annotated[int, whole(-1000, 1000, 10)] = Field(
        default=0, description="In `serve`, jobs with a higher number come first."
    )

    finish: Annotated[Finish | None, Omittable()] = Field(
        default=None, description="What `backfill finish` makes of the table after the job is done."
    )

    @property
    def from_python(self) -> tuple[str, ...]:
        """Columns of which the row function gives the values, in their order in `set`."""
        if self.python is None:
            return ()
        return tuple(assignment.column for assignment in self.assignments if assignment.expression == FROM_PYTHON)

    @field_serializer("assignments")
    def _as_written(self, assignments: tuple[Assignment, ...]) -> dict[str, str]:
        return {quote(assignment.column): assignment.expression for assignment in assignments}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        columns = [assignment.column for assignment in self.assignments]
        found = [
            Contradiction((("set", index, "column"),), f"column '{column}' is set twice")
            for index, column in enumerate(columns)
            if column in columns[:index]
        ]
        if self.using is not None and self.using.name == self.table.name:
            name = quote(self.using.name)
            words = f"'{name}' would name two tables; give the joined table an alias, such as as: other"
            found.append(Contradiction((("using", "as"), ("using", "table")), words))
        found += self._function_agrees()
        found += [
            Contradiction((("after", index),), f"job '{name}' cannot come after itself")
            for index, name in enumerate(self.after)
            if name == self.name
        ]
        written_keys = self.model_fields_set
        default = {
            name: "" if name in written_keys else " (the default)" for name in ("statement_timeout_s", "lock_timeout_s")
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

    def _function_agrees(self) -> list[Contradiction]:
        if self.python is None:
            return []
        found, inputs = [], self.python.inputs
        if not self.from_python:
            words = f"no column of 'set' uses the function's value; write one as {FROM_PYTHON}, such as handle: python"
            found.append(Contradiction((("set",),), words))
        if self.using is not None:
            words = "'python' and 'using' cannot be combined; use columns of the table as the function's inputs"
            found.append(Contradiction((("python",),), words))
        found += [
            Contradiction((("python", "inputs", index),), f"input '{column}' is named twice")
            for index, column in enumerate(inputs)
            if column in inputs[:index]
        ]
        return found
