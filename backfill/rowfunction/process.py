"""Our side of a row function's process: starts it on demand, bounds each wait for it, and starts it again.

Whatever interrupts an exchange kills the process: the answer to one request must not be taken for the next one's.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from backfill.rowfunction.protocol import HEADER, LoadRequest, Rows, Unloadable, framed

OPEN_S = 60.0
"""Time that a module may take to be imported."""
LAST_WORDS_S = 1.0
LAST_LINES = 4
LAST_BYTES_MAX = 64 * 1024
COMMAND = (sys.executable, "-P", "-m", "backfill.rowfunction.child")


class FunctionFailed(Exception):
    """The function raised or returned something invalid; `row` is the first row that fails by itself."""

    def __init__(self, message: str, row: int | None) -> None:
        super().__init__(message)
        self.row = row


class ProcessDied(Exception):
    """The process ended before it answered, or was killed: because of the rows, or by somebody else."""


class RowProcess:
    """One process with one function. For one task at a time, except for `kill`."""

    def __init__(self, request: LoadRequest) -> None:
        self._request = request
        self._process: Process | None = None
        self._answers: BufferedByteReceiveStream

    async def open(self) -> None:
        """Start the process and load the function, unless it runs; raises Unloadable, ProcessDied."""
        if self._process is not None:
            return
        command = list(COMMAND)
        pipe = subprocess.PIPE
        self._process = await anyio.open_process(command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self._process.stdout is not None, "a pipe was asked for"
        self._answers = BufferedByteReceiveStream(self._process.stdout)
        answer = await self._ask(self._request, OPEN_S)
        if "unloadable" in answer:
            await self.close()
            raise Unloadable(answer["unloadable"], at_function=answer["at_function"])

    async def map(self, rows: list[tuple[Any, ...]], timeout_s: float) -> list[list[str | None]]:
        """Return the rows' values as texts, a list for each output; raises FunctionFailed, ProcessDied, Unloadable."""
        await self.open()
        answer = await self._ask(Rows(rows), timeout_s)
        if "fault" in answer:
            raise FunctionFailed(answer["fault"], answer["row"])
        texts: list[list[str | None]] = answer["texts"]
        return texts

    def kill(self) -> None:
        """Kill it now; whoever waits for its answer gets ProcessDied."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def close(self) -> None:
        """Kill it, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()

    async def _ask(self, request: LoadRequest | Rows, timeout_s: float) -> dict[str, Any]:
        assert self._process is not None, "it was opened"
        assert self._process.stdin is not None, "a pipe was asked for"
        try:
            with anyio.fail_after(timeout_s):
                await self._process.stdin.send(framed(pickle.dumps(request)))
                (length,) = HEADER.unpack(await self._answers.receive_exactly(HEADER.size))
                answer: dict[str, Any] = json.loads(await self._answers.receive_exactly(length))
        except TimeoutError:
            await self.close()
            raise ProcessDied(f"gave no answer within {timeout_s:g}s and was ended") from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead):
            raise ProcessDied(await self._ending()) from None
        except BaseException:
            await self.close()
            raise
        return answer

    async def _ending(self) -> str:
        """Return how it ended, with its last lines on stderr."""
        process = self._process
        assert process is not None, "it was opened"
        assert process.stderr is not None, "a pipe was asked for"
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(LAST_WORDS_S):
                await process.wait()
            code = process.returncode
            words = await _last_words(process.stderr)
            await self.close()
        how = "stopped answering" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}" + (" (out of memory?)" if code == -9 else "")
        return f"{how}: {words}" if words else how


async def _last_words(stderr: ByteReceiveStream) -> str:
    written = b""
    with anyio.move_on_after(LAST_WORDS_S):
        while len(written) < LAST_BYTES_MAX:
            try:
                written += await stderr.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                break
    lines = [line.strip() for line in written.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[:LAST_LINES])
