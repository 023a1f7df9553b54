"""A job file run to its end in this process: all that these tests know of the product's structure."""

from __future__ import annotations

import traceback
from pathlib import Path

import anyio

from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.service.app import App
from backfill.service.job_directory import read_job
from backfill.values.errors import BackfillError
from tests.differential.comparison import End

END_S = 60.0
"""Cases are small: a job that takes longer waits for something that does not come, even on a busy machine."""


def run_job(dsn: str, path: Path) -> End:
    """Run a job as `backfill run` does; return its exit code and its last words."""
    said: list[str] = []
    try:
        code = anyio.run(_run, dsn, path, said)
    except BackfillError as error:
        return End(error.exit_code, str(error))
    except TimeoutError:
        return End(None, f"no end within {END_S:g} s; " + "; ".join(said[-3:]))
    except Exception as error:  # noqa: BLE001 - any other end is the product's bug, and a difference
        return End(None, "".join(traceback.format_exception(error)[-3:]))
    return End(code, said[-1] if said else "")


async def _run(dsn: str, path: Path, said: list[str]) -> int:
    def read(event: Event, at_s: float) -> None:
        kept = f"{event.state} {event.why or ''}".strip() if isinstance(event, Finished) else repr(event)
        said.append(kept[:1000])

    with anyio.fail_after(END_S):
        job_file = read_job(path)
        return await App(dsn, [read]).run_one(job_file, lambda error: said.append(str(error)))
