"""What commands print: events as JSON lines, in the live view or in the log; errors without control characters."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from backfill.values.errors import BackfillError, Cancelled
from backfill.values.redact import redact

if TYPE_CHECKING:
    from rich.console import Console

    from backfill.events.event import Event
    from backfill.events.job import Finished

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Reader = Callable[["Event", float], None]
ReportError = Callable[[BackfillError], None]
ReportAddress = Callable[[tuple[str, int]], None]
Output = tuple[list[Reader], ReportError, ReportAddress]
"""Readers of events, where an error goes that ended a job, and where the HTTP address goes."""


def clean(text: str) -> str:
    """Return the text without a password and without anything that a terminal obeys."""
    return _CONTROL.sub(" ", redact(text))


def print_line(text: str) -> None:
    """Print one line of text that somebody else may have written."""
    sys.stdout.write(f"{clean(text)}\n")


def print_error(error: BackfillError) -> None:
    """Print an error, one line each."""
    lines = [_CONTROL.sub(" ", line) for line in redact(str(error)).splitlines()]
    with suppress(OSError):  # the exit code says it, too
        sys.stderr.write("".join(f"backfill: {line}\n" for line in lines))


def print_event(event: Event, _at_s: float) -> None:
    """Print an event as a JSON line, with the time."""
    from backfill.events.event import to_dict  # noqa: PLC0415 - commands without events start faster

    sys.stdout.write(json.dumps({"at": time.time(), **to_dict(event)}) + "\n")
    sys.stdout.flush()


@contextmanager
def run_output(*, json_lines: bool, report: ReportError) -> Iterator[Output]:
    """Give the output of a `run`: JSON lines for a program, the live view for a person, the log for a pod."""
    if json_lines:
        yield [print_event], report, lambda _: None
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs them

        from backfill.observe.terminal.live import Live  # noqa: PLC0415

        console, tables = Console(), _FinalTables()
        with Live(console) as live:
            yield [lambda event, _at_s: live.record(event), tables.record], report, lambda _: None
        tables.show(console)
    else:
        yield log_output()


def log_output() -> Output:
    """Return the output of a process in a pod: the log."""
    from backfill.observe.log.events import LogSink  # noqa: PLC0415 - a fifth of the start of each command
    from backfill.observe.log.setup import configure  # noqa: PLC0415 - the same

    log = configure(sys.stderr)

    def report(error: BackfillError) -> None:
        asked_for = error.exit_code > 128 or isinstance(error, Cancelled)  # by a signal or a person: not a failure
        level = logging.INFO if asked_for else logging.ERROR
        with suppress(OSError):  # a log that is gone may be what ended it
            log.log(level, "job_ended", why=str(error), exit_code=int(error.exit_code))

    def listening(address: tuple[str, int]) -> None:
        log.info("http_listening", host=address[0], port=address[1])

    return [LogSink(log).record], report, listening


class _FinalTables:
    """The results of jobs, printed when the live view has ended."""

    def __init__(self) -> None:
        self._budget_s = 0.0
        self._results: list[tuple[Finished, float]] = []

    def record(self, event: Event, _at_s: float) -> None:
        """Remember a result and the lag budget that it is measured by: the tuned one, if it was tuned."""
        from backfill.events.job import Finished, Started  # noqa: PLC0415 - commands without events start faster
        from backfill.events.throttle import LimitsChanged  # noqa: PLC0415 - as above

        if isinstance(event, Started | LimitsChanged):
            self._budget_s = event.max_lag_s
        elif isinstance(event, Finished):
            self._results.append((event, self._budget_s))

    def show(self, console: Console) -> None:
        """Print a table for each job that did something."""
        from backfill.observe.terminal.final_table import final_table  # noqa: PLC0415 - only a terminal needs them
        from backfill.observe.terminal.glyphs import glyphs_for  # noqa: PLC0415

        for finished, budget_s in self._results:
            if finished.rows_total or finished.state in ("done", "unconverged"):
                console.print(final_table(finished, budget_s=budget_s, glyphs=glyphs_for(console.encoding)))
