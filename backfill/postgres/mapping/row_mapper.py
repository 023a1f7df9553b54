"""A job's row function at work: rows are read, mapped in its process, and held until their batches take the values.

While it works no transaction is open and nothing is locked. What is held may be older than what a batch finds: the
batch updates only rows whose version is still the one that was read, and leaves the others to a later pass.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from backfill.jobfile.load import JobFile
from backfill.postgres.mapping.encode import text_of, text_with_json_arrays
from backfill.postgres.mapping.mapped_rows import (
    MappedRow,
    MappedRows,
    RowVersion,
    SourceRow,
    Values,
    line_of,
    rows_within,
    slices_of,
    stripe_of,
)
from backfill.postgres.mapping.row_reader import find_versions, read_inputs
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.statements.compose import Statements
from backfill.postgres.statements.function_values import FunctionValues
from backfill.retry.sqlstate import FUNCTION_DIED
from backfill.rowfunction.process import FunctionFailed, ProcessDied, RowProcess
from backfill.rowfunction.protocol import LoadRequest, Unloadable
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import FunctionError, JobError, StatementRefused
from backfill.values.redact import foreign

ROWS_FIRST = 100
"""Rows of the first call, when nobody knows how long one takes."""
CALL_S = 1.0
"""Time that a call should take: so long a stop may have to wait, and rows may change."""
GROWTH = 4
HELD_MAX_S = 60.0
"""Older values are computed again: too many rows may have changed, and transaction ids may have wrapped around."""
CALL_BYTES = 4 << 20
"""Inputs of one call, if they are several rows': they are in memory a few times, on our side and the function's."""
KEPT_BYTES = 8 << 20
"""Values of rows that wait for their batches; a batch ends where there are more."""
DEATHS_MAX = 2
"""Deaths in a row, at one row or while the module is imported, from which on nobody else is to blame."""


class RowMapper:
    """The function of one lane, in a process of its own."""

    def __init__(self, job_file: JobFile) -> None:
        self._rows_in_time = ROWS_FIRST
        self._rows_in_memory = sys.maxsize
        self.timeout_s = job_file.job.statement_timeout_s
        self._job_file = job_file
        self._directory = str(Path(job_file.file).absolute().parent)
        self._process: RowProcess | None = None
        self._statements: Statements | None = None
        self._mapped: FunctionValues
        self._held: MappedRows | None = None
        self._deaths = 0
        self._suspects = 0

    @property
    def rows_at_once(self) -> int:
        """How many rows it maps in good time and within bounded memory."""
        return min(self._rows_in_time, self._rows_in_memory)

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
        self,
        connection: Connection,
        statements: Statements,
        checkpoint: Checkpoint,
        batch_range: BatchRange,
        *,
        whole: bool = False,
    ) -> BatchRange:
        """Have the values of a batch's rows ready; return as much of it as memory is allowed, unless it is the `whole`.

        Raises FunctionError, and Refused where another try may do.
        """
        await self.turn_to(statements)
        if self._fresh(checkpoint, batch_range) is not None:
            return batch_range
        if (held := self._held) is not None and not whole and held.is_rest(checkpoint) and self._is_new(held):
            return held.cut(checkpoint, batch_range)
        read_s, self._held = time.monotonic(), None
        versions = await find_versions(connection, statements, checkpoint, batch_range.end)
        rows, end = list[MappedRow](), batch_range.end
        for part in slices_of([version.input_bytes for version in versions], CALL_BYTES):
            if not whole and sum(row.text_bytes for row in rows) >= KEPT_BYTES:
                end = versions[part.start].tid
                break
            rows += await self._map_slice(connection, statements, versions[part])
        self._rows_in_memory = rows_within(KEPT_BYTES, versions, rows) or self._rows_in_memory
        held = self._held = MappedRows(
            stripe=stripe_of(checkpoint),
            low=checkpoint.next,
            high=end,
            end=batch_range.end,
            read_s=read_s,
            rows=tuple(rows),
        )
        return held.cut(checkpoint, batch_range)

    async def values(
        self, connection: Connection, statements: Statements, checkpoint: Checkpoint, batch_range: BatchRange
    ) -> Values:
        """Return the parameters of a batch's UPDATE, as held or made now."""
        await self.hold(connection, statements, checkpoint, batch_range, whole=True)
        held = self._fresh(checkpoint, batch_range)
        assert held is not None, "values made now are fresh"
        return held.values(checkpoint, batch_range, self._mapped.parameters)

    async def shown(
        self, connection: Connection, statements: Statements, checkpoint: Checkpoint, count: int
    ) -> list[str]:
        """Return a few rows of a range as the function gets them, and what it gives for each."""
        await self.turn_to(statements)
        versions = await find_versions(connection, statements, checkpoint, checkpoint.window_limit)
        read = await read_inputs(connection, statements, versions[:count])
        texts = await self._map(connection, statements, read)
        pairs = zip(read, zip(*texts, strict=True), strict=True)
        columns = tuple(output.column for output in self._mapped.outputs)
        return [line_of(self._mapped.inputs, row.inputs, columns, values) for row, values in pairs]

    def given(self, tid: Tid) -> str | None:
        """Return what the function gave for a row that is held, as JSON; None if it is not."""
        held = self._held.rows if self._held else ()
        for row in held:
            if row.tid == tid:
                return json.dumps(dict(zip((output.column for output in self._mapped.outputs), row.texts, strict=True)))
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
        return held if held is not None and held.covers(checkpoint, batch_range) and self._is_new(held) else None

    @staticmethod
    def _is_new(held: MappedRows) -> bool:
        return time.monotonic() - held.read_s <= HELD_MAX_S

    async def _map_slice(
        self, connection: Connection, statements: Statements, versions: list[RowVersion]
    ) -> list[MappedRow]:
        """Read a few rows and map them; what was read is forgotten."""
        read = await read_inputs(connection, statements, versions)
        texts = await self._map(connection, statements, read)
        return [
            MappedRow(row.tid, row.xmin, values) for row, values in zip(read, zip(*texts, strict=True), strict=True)
        ]

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
            self._suspects, self._rows_in_time = len(read), max(1, len(read) // 8)
            if self._deaths == DEATHS_MAX:
                raise await self._fault(connection, statements, f"{error}, {DEATHS_MAX} times", read[0].tid) from None
            raise StatementRefused(
                f"function {self._function}: its process {foreign(str(error))}", FUNCTION_DIED
            ) from None
        self._deaths, self._suspects = 0, max(0, self._suspects - len(read))
        if not self._suspects:
            in_good_time = int(len(read) * CALL_S / max(time.monotonic() - began_s, 1e-6))
            self._rows_in_time = max(1, min(in_good_time, GROWTH * max(len(read), self._rows_in_time)))
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
