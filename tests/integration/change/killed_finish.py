"""A process that finishes a job and kills itself behind its Nth statement; without N it counts them.

`python -m tests.integration.change.killed_finish DSN JOB.yaml [N]`. Statements are found by a hook below everything that
executes one on the session that holds the locks, so one that is added is counted with the others.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import psycopg

from backfill.jobfile.load import JobFile, load
from backfill.postgres.change.finish import open_finish
from backfill.postgres.session.pipeline import SyncLastPipeline

EXECUTE, EXIT = psycopg.AsyncCursor.execute, SyncLastPipeline._exit_gen


class Counter:
    """Counts statements, and ends the process behind one."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def add(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def hook(counter: Counter) -> None:
    """Count each statement that was answered, and each pipeline."""

    async def execute(cursor: Any, *arguments: Any, **options: Any) -> Any:
        result = await EXECUTE(cursor, *arguments, **options)
        if cursor.connection.info.get_parameters().get("application_name", "").startswith("backfill:users"):
            counter.add()
        return result

    def exit_gen(pipeline: Any) -> Any:
        yield from EXIT(pipeline)
        counter.add()

    psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign, assignment]
    SyncLastPipeline._exit_gen = exit_gen  # type: ignore[method-assign, assignment]


async def main(dsn: str, job: JobFile, last: int) -> None:
    counter = Counter(last)
    hook(counter)
    async with open_finish(dsn, job, lambda _: None, anyio.sleep) as opened:
        await opened.run()
    sys.stdout.write(f"{counter.count}\n")


if __name__ == "__main__":
    given = load(Path(sys.argv[2]).read_text(), sys.argv[2])
    anyio.run(main, sys.argv[1], given, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
