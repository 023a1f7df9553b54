"""Exit codes, and what each one means: the one table behind help texts, errors and the documents' tests."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    INVALID = 2
    UNCONVERGED = 3
    HALTED = 4
    LOCK_HELD = 75
    SIGHUP = 129
    SIGINT = 130
    SIGPIPE = 141
    SIGTERM = 143


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed, safe to run again",
    ExitCode.INVALID: "the job file or the command line is wrong, no row was touched",
    ExitCode.UNCONVERGED: "done, but some rows cannot converge or were rejected",
    ExitCode.HALTED: "halted, manual intervention required; or cancelled",
    ExitCode.LOCK_HELD: "lock held elsewhere (--no-wait), or the time of a gate is over",
    ExitCode.SIGHUP: "stopped by SIGHUP at a checkpoint: its terminal was closed",
    ExitCode.SIGINT: "stopped by SIGINT at a checkpoint",
    ExitCode.SIGPIPE: "stopped at a checkpoint: the output cannot be written",
    ExitCode.SIGTERM: "stopped by SIGTERM at a checkpoint",
}


def exit_codes(*codes: ExitCode, **meanings: str) -> str:
    """Return the help's list of these codes; `meanings` by name replaces what one means for a command."""
    lines = (f"{code:d} {meanings.get(code.name.lower(), MEANINGS[code])}" for code in codes)
    return "Exit codes:\n" + "\n".join(lines)
