"""What a command shows while it works: the live view for a person, log lines or JSON for machines, HTTP for both."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from rich.console import Console

from backfill.events.batch import RowRetried
from backfill.events.event import Event, to_dict
from backfill.events.job import Finished, Started
from backfill.jobfile.load import JobFile
from backfill.observe.job_statuses import JobStatuses
from backfill.observe.terminal.final_table import final_table
from backfill.observe.terminal.glyphs import glyphs_for
from backfill.observe.terminal.live import Live
from backfill.service.app import App, Reader, run_with_background
from backfill.service.job_directory import serve
from backfill.values.errors import BackfillError, JobError
from backfill.values.redact import redact

HTTP_DEFAULT = "127.0.0.1:9464"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SILENCE_MAX_S = 60.0
"""An unfinished job tells something every second or so, but for its statements."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the database is, where to serve HTTP (None: the default address if it is free), and how to show."""

    dsn: str
    http: tuple[str, int] | None
    http_wanted: bool = True
    json_lines: bool = False


def parse_http(text: str | None) -> tuple[str, int] | None:
    """Return host and port of `127.0.0.1:9464` or `[::1]:9464`; None for `off`; raise JobError for anything else."""
    if text == "off":
        return None
    host, _, port = (HTTP_DEFAULT if text is None else text).rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise JobError(f"not an address: --http {text!r}; write HOST:PORT such as {HTTP_DEFAULT}, or off")
    return host.strip("[]"), int(port)


Tell = Callable[[BackfillError], None]


async def run_jobs(options: Options, jobs: list[JobFile], wait_for_lock: bool, restart: bool) -> int:
    """Run jobs in turn and show it; return the exit code."""
    errors: list[BackfillError] = []
    with _shown(options, errors.append) as (readers, tell, listening):
        app = App(options.dsn, readers, wait_for_lock=wait_for_lock, restart=restart)
        http = _Http(options, readers, listening)
        code = await run_with_background(http.before(lambda: app.run(jobs, tell)), app.stop.listen, http.serve)
    for error in errors:
        print_error(error)
    return code


async def retry_rejected(options: Options, job: JobFile) -> int:
    """Try the rows again that a job has set aside, tell what became of them; return the exit code."""
    errors: list[BackfillError] = []
    told = _RetryReport()
    app = App(options.dsn, [_print_json if options.json_lines else told.record])
    code = await run_with_background(lambda: app.retry_rejected(job, errors.append), app.stop.listen)
    for error in errors:
        print_error(error)
    return code


class _RetryReport:
    """What became of rows that were tried again: those that are refused still one by one, the others counted."""

    def __init__(self) -> None:
        self._results = dict.fromkeys(("filled", "gone", "refused"), 0)

    def record(self, event: Event, _at_s: float) -> None:
        """Print what a person wants to know."""
        if isinstance(event, RowRetried):
            self._results[event.result] += 1
            if event.result == "refused":
                self._print(f"{event.leaf} {event.key}: refused again: {event.message}")
        elif isinstance(event, Finished):
            counts = ", ".join(f"{count:,} {result}" for result, count in self._results.items())
            self._print(f"{event.job}: {counts}; {event.state}: {event.why}")

    def _print(self, text: str) -> None:
        sys.stdout.write(f"{_CONTROL.sub(' ', redact(text))}\n")


async def serve_directory(options: Options, directory: Path, read: Callable[[Path], JobFile]) -> int:
    """Serve a directory; logs tell what happens."""
    readers, tell, listening = _logged()
    app = App(options.dsn, readers)
    http = _Http(options, readers, listening)
    main = http.before(lambda: serve(app, directory, read, tell))
    return await run_with_background(main, app.stop.listen, http.serve)


Shown = tuple[list[Reader], Tell, Callable[[tuple[str, int]], None]]
"""Readers of events, where an error goes that ended a job, and who wants to know the HTTP address."""


@contextmanager
def _shown(options: Options, tell: Tell) -> Iterator[Shown]:
    """Show a `run`: JSON lines for a program, the live view for a person, the log for a pod."""
    if options.json_lines:
        yield [_print_json], tell, lambda _: None
    elif sys.stdout.isatty():
        console = Console()
        ends = _FinalTables()
        with Live(console) as live:
            yield [lambda event, _at_s: live.record(event), ends.record], tell, lambda _: None
        ends.show(console)
    else:
        yield _logged()


def _logged() -> Shown:
    from backfill.observe.log.events import LogSink  # noqa: PLC0415 - the same
    from backfill.observe.log.setup import configure  # noqa: PLC0415 - a fifth of the start of each command

    log = configure(sys.stderr)

    def tell(error: BackfillError) -> None:
        level = logging.INFO if error.exit_code > 128 else logging.ERROR  # a signal is no fault
        with suppress(OSError):  # a log that is gone may be what ended it
            log.log(level, "job_ended", why=str(error), exit_code=error.exit_code)

    def listening(address: tuple[str, int]) -> None:
        log.info("http_listening", host=address[0], port=address[1])

    return [LogSink(log).record], tell, listening


def _print_json(event: Event, _at_s: float) -> None:
    sys.stdout.write(json.dumps({"at": time.time(), **to_dict(event)}) + "\n")
    sys.stdout.flush()


class _FinalTables:
    """The ends of jobs, to be shown when the terminal is ours again."""

    def __init__(self) -> None:
        self._budget_s = 0.0
        self._ends: list[tuple[Finished, float]] = []

    def record(self, event: Event, _at_s: float) -> None:
        """Remember an end, and the budget that it is measured by."""
        if isinstance(event, Started):
            self._budget_s = event.max_lag_s
        elif isinstance(event, Finished):
            self._ends.append((event, self._budget_s))

    def show(self, console: Console) -> None:
        """Print a table for each job that did something."""
        for finished, budget_s in self._ends:
            if finished.rows_total or finished.state in ("done", "unconverged"):
                console.print(final_table(finished, budget_s=budget_s, glyphs=glyphs_for(console.encoding)))


class _Http:
    """Metrics, probes and status beside the jobs; its readers join the others."""

    def __init__(self, options: Options, readers: list[Reader], listening: Callable[[tuple[str, int]], None]) -> None:
        self._options = options
        self._listening = listening
        self._readers = readers
        self._settled = anyio.Event()

    async def serve(self) -> None:
        """Serve until cancelled; a default address that is taken is told, a wanted one is an error."""
        if self._options.http is None:
            self._settled.set()
            return
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - it and what follows, only where they serve

        from backfill.observe.http import server, web  # noqa: PLC0415
        from backfill.observe.metrics import counters  # noqa: PLC0415

        registry, board = CollectorRegistry(), JobStatuses()
        self._readers.extend([counters.MetricsSink(registry).record, board.record])
        app = web.build_app(board, registry, clock=time.monotonic, silence_max_s=SILENCE_MAX_S)
        try:
            await server.serve(app, *self._options.http, started=self._started)
        except OSError as error:
            if self._options.http_wanted:
                raise JobError(str(error)) from error
            sys.stderr.write(f"backfill: going on without metrics: {error}\n")
            self._settled.set()

    def before(self, main: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
        """Return `main` as it runs once serving has begun or is out of the question: before, nothing is touched."""

        async def run() -> int:
            await self._settled.wait()
            return await main()

        return run

    def _started(self, address: tuple[str, int]) -> None:
        self._listening(address)
        self._settled.set()


def print_error(error: BackfillError) -> None:
    """Print what went wrong, one line each, without a password and without anything that a terminal obeys."""
    lines = [_CONTROL.sub(" ", line) for line in redact(str(error)).splitlines()]
    with suppress(OSError):  # the exit code tells it, too
        sys.stderr.write("".join(f"backfill: {line}\n" for line in lines))
