"""A job's row function at work: rows are read, mapped in its process, and held until their batches take the values.

While it works no transaction is open and nothing is locked. What is held may be older than what a batch finds: the
batch updates only rows whose version is still the one that was read, and leaves the others to a later pass.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from backfill.jobfile.load import JobFile
from backfill.postgres.mapping.encode import keep_exact_values, text_of, text_with_json_arrays
from backfill.postgres.mapping.mapped_rows import MappedRows, SourceRow, Values, stripe_of
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.batch_parameters import Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.statements.function_values import FunctionValues
from backfill.retry.sqlstate import FUNCTION_DIED
from backfill.rowfunction.process import FunctionFailed, ProcessDied, RowProcess
from backfill.rowfunction.protocol import LoadRequest, Unloadable
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.table.stripe_plan import mask
from backfill.values.errors import FunctionError, JobError, StatementRefused
from backfill.values.redact import foreign

ROWS_FIRST = 100
"""Rows of the first call, when nobody knows how long one takes."""
CALL_S = 1.0
"""Time that a call should take: so long a stop may have to wait, and rows may change."""
GROWTH = 4
HELD_MAX_S = 60.0
"""Older values are computed again: too many rows may have changed, and transaction ids may have wrapped around."""
DEATHS_MAX = 2
"""Deaths in a row, at one row or while the module is imported, from which on nobody else is to blame."""


class RowMapper:
    """The function of one lane, in a process of its own. `rows_at_once` is how many it maps in good time."""

    def __init__(self, job_file: JobFile) -> None:
        self.rows_at_once = ROWS_FIRST
        self.timeout_s = job_file.job.statement_timeout_s
        self._job_file = job_file
        self._directory = str(Path(job_file.file).absolute().parent)
        self._process: RowProcess | None = None
        self._statements: Statements | None = None
        self._mapped: FunctionValues
        self._held: MappedRows | None = None
        self._deaths = 0
        self._suspects = 0

    async def turn_to(self, statements: Statements) -> None:
        """Load the function for a table, and forget what was mapped of another; raises JobError where there is none."""
        if statements is self._statements:
            return
        mapped = statements.mapped
        assert mapped is not None, "the job has a function"
        self._statements, self._held = statements, None
        if self._process is not None and mapped == self._mapped:
            return
        await self.close()
        self._mapped = mapped
        python = self._job_file.job.python
        assert python is not None, "the job has a function"
        outputs = tuple((output.column, output.base.removeprefix("pg_catalog.")) for output in mapped.outputs)
        self._process = RowProcess(
            LoadRequest(
                directory=self._directory,
                function=python.function,
                inputs=mapped.inputs,
                outputs=outputs,
                encode=text_with_json_arrays if mapped.json_arrays else text_of,
            )
        )
        for deaths in range(1, DEATHS_MAX + 1):
            try:
                await self._process.open()
            except Unloadable as error:
                raise JobError(f"{self._place(at_function=error.at_function)}: {foreign(str(error))}") from None
            except ProcessDied as error:
                if deaths == DEATHS_MAX:
                    raise JobError(
                        f"{self._place()}: the process that imports {python.function} {foreign(str(error))}"
                    ) from None
            else:
                return

    async def hold(
        self, connection: Connection, statements: Statements, checkpoint: Checkpoint, batch_range: BatchRange
    ) -> None:
        """Have the values of a batch's rows ready; raises FunctionError, and Refused where another try may do."""
        await self.turn_to(statements)
        if self._fresh(checkpoint, batch_range) is not None:
            return
        read_s = time.monotonic()
        read = await self._read(connection, statements, checkpoint, batch_range.end)
        texts = await self._map(connection, statements, read)
        rows = tuple(zip(read, zip(*texts, strict=True), strict=True))
        self._held = MappedRows(stripe_of(checkpoint), checkpoint.next, batch_range.end, read_s, rows)

    async def values(
        self, connection: Connection, statements: Statements, checkpoint: Checkpoint, batch_range: BatchRange
    ) -> Values:
        """Return the parameters of a batch's UPDATE, as held or made now."""
        await self.hold(connection, statements, checkpoint, batch_range)
        held = self._fresh(checkpoint, batch_range)
        assert held is not None, "values made now are fresh"
        return held.values(checkpoint, batch_range, self._mapped.parameters)

    async def shown(
        self, connection: Connection, statements: Statements, checkpoint: Checkpoint, count: int
    ) -> list[str]:
        """Return a few rows of a range as the function gets them, and what it gives for each."""
        await self.turn_to(statements)
        read = (await self._read(connection, statements, checkpoint, checkpoint.window_limit, count))[:count]
        texts = await self._map(connection, statements, read)
        pairs = zip(read, zip(*texts, strict=True), strict=True)
        return [self._line(row.inputs, values) for row, values in pairs]

    def given(self, tid: Tid) -> str | None:
        """Return what the function gave for a row that is held, as JSON; None if it is not."""
        held = self._held.rows if self._held else ()
        for row, texts in held:
            if row.tid == tid:
                return json.dumps(dict(zip((output.column for output in self._mapped.outputs), texts, strict=True)))
        return None

    def kill(self) -> None:
        """End the call that runs now."""
        if self._process is not None:
            self._process.kill()

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.close()

    def _fresh(self, checkpoint: Checkpoint, batch_range: BatchRange) -> MappedRows | None:
        held = self._held
        if held is None or not held.covers(checkpoint, batch_range) or time.monotonic() - held.read_s > HELD_MAX_S:
            return None
        return held

    async def _read(
        self, connection: Connection, statements: Statements, checkpoint: Checkpoint, end: Tid, limit: int | None = None
    ) -> list[SourceRow]:
        query = statements.find_inputs[Scope.LAST_STRIPE if checkpoint.last_stripe else Scope.STRIPE]
        assert statements.read_inputs is not None, "the job has a function"
        parameters = {
            "low": str(checkpoint.next),
            "high": str(end),
            "mask": mask(checkpoint.layout.sizes, checkpoint.stripe),
        }
        with translated(connection):
            found = await execute_as_role(connection, query, parameters)
            versions = await (found.fetchall() if limit is None else found.fetchmany(limit))
            async with connection.cursor() as cursor:
                keep_exact_values(cursor)
                tids, xmins = [tid for tid, _ in versions], [xmin for _, xmin in versions]
                await cursor.execute(statements.read_inputs, {"tids": tids, "xmins": xmins})
                rows = await cursor.fetchall()
        return [SourceRow(Tid.parse(tid), xmin, tuple(inputs)) for tid, xmin, *inputs in rows]

    async def _map(
        self, connection: Connection, statements: Statements, read: list[SourceRow]
    ) -> list[list[str | None]]:
        if not read:
            return [[] for _ in self._mapped.outputs]
        assert self._process is not None, "the function was loaded"
        began_s = time.monotonic()
        try:
            texts = await self._process.map([row.inputs for row in read], self.timeout_s)
        except Unloadable as error:  # it was there when the run began
            raise FunctionError(f"{self._place(at_function=error.at_function)}: {foreign(str(error))}") from None
        except FunctionFailed as error:
            tid = None if error.row is None else read[error.row].tid
            raise await self._fault(connection, statements, str(error), tid) from None
        except ProcessDied as error:
            self._deaths = self._deaths + 1 if len(read) == 1 else 0
            self._suspects, self.rows_at_once = len(read), max(1, len(read) // 8)
            if self._deaths == DEATHS_MAX:
                raise await self._fault(connection, statements, f"{error}, {DEATHS_MAX} times", read[0].tid) from None
            raise StatementRefused(
                f"function {self._function}: its process {foreign(str(error))}", FUNCTION_DIED
            ) from None
        self._deaths, self._suspects = 0, max(0, self._suspects - len(read))
        if not self._suspects:
            in_good_time = int(len(read) * CALL_S / max(time.monotonic() - began_s, 1e-6))
            self.rows_at_once = max(1, min(in_good_time, GROWTH * max(len(read), self.rows_at_once)))
        return texts

    async def _fault(self, connection: Connection, statements: Statements, what: str, tid: Tid | None) -> FunctionError:
        where, what = f"{self._place(at_function=True)}: function {self._function}", foreign(what)
        if tid is None:
            return FunctionError(f"{where} {what}; for no row by itself, only for all of a batch")
        with translated(connection):
            cursor = await connection.execute(statements.row_key, {"tid": str(tid)})
            row = await cursor.fetchone()
        return FunctionError(f"{where} {what}; for row {row[0] if row else tid}")

    @property
    def _function(self) -> str:
        assert self._job_file.job.python is not None, "the job has a function"
        return self._job_file.job.python.function

    def _place(self, *, at_function: bool = False) -> str:
        offset = self._function.index(":") + 1 if at_function else 0
        return self._job_file.at("python", "function", offset=offset)

    def _line(self, inputs: tuple[Any, ...], values: tuple[str | None, ...]) -> str:
        given = (f"{name} = {value!r:.80}" for name, value in zip(self._mapped.inputs, inputs, strict=True))
        got = (f"{output.column} = {_shown(text)}" for output, text in zip(self._mapped.outputs, values, strict=True))
        return f"{', '.join(given)} → {', '.join(got)}"


def _shown(text: str | None) -> str:
    return "NULL" if text is None else f"{text!r:.80}"
