"""The errors that a person may meet, grouped by whose fault they are.

    BackfillError
    ├── JobError               the job file or the command line; no row was touched            exit 2
    │   ├── WhereStaysTrue     `where` stays true for every row of the first batch             exit 2
    │   ├── WhereFails         `where` fails on a row of the first batch as `set` leaves it    exit 2
    │   ├── SpansRows          a deferred constraint refuses each row of the first batch alone exit 2
    │   └── NeverStarted       the job is not known to the database                            exit 2
    ├── WhereRefused           it fails so on a row of a later batch; earlier batches stay     exit 1
    ├── DatabaseError          the database could not do it; safe to run again                 exit 1
    │   ├── ConnectionLost     the connection is gone; reconnect and read the checkpoint
    │   └── StatementRefused   a statement failed, with its SQLSTATE
    │       └── DeferredRefused  a constraint that is checked at COMMIT refuses a batch
    ├── FunctionError          the row function failed; earlier batches stay                   exit 1
    ├── RowRefused             the server rejects one row; earlier batches stay                exit 1
    ├── Halted                 manual intervention required                                    exit 4
    │   └── PlanStops          a finding of `plan` says that the job must not run now          exit 4
    ├── Cancelled              a person has cancelled the job (backfill cancel)               exit 4
    ├── LockHeld               another worker has the job (--no-wait)                          exit 75
    ├── GateClosed             the gate did not open in its time                               exit 75
    ├── Superseded             another worker moved the checkpoint; our batch was rolled back
    ├── TableRewritten         the table has a new file; its old row addresses mean nothing
    ├── ProofInterrupted       a person's request ends the final read; it begins again
    ├── LeafDropped            a partition or child was dropped or detached; the others continue
    └── Stopped                a signal; the checkpoint is saved                               exit 129, 130, 141, 143

Messages are lower case, quote the value, and end with what to do next. Any other exception is our bug.
"""

from __future__ import annotations

from backfill.values.exit_codes import ExitCode


class BackfillError(Exception):
    """An error that is shown as one message, without a traceback."""

    exit_code: int = ExitCode.FAILED


class JobError(BackfillError):
    """The job file or the command line is wrong: `file:line:col: problem; fix`."""

    exit_code = ExitCode.INVALID


class WhereStaysTrue(JobError):
    """`where` stayed true for every row of the first batch, which was rolled back."""


class WhereFails(JobError):
    """`where` fails on a row of the first batch as `set` leaves it; the batch was rolled back."""


class SpansRows(JobError):
    """A constraint or trigger that is checked at COMMIT holds only over several rows; the batch was rolled back."""


class NeverStarted(JobError):
    """No worker has ever begun the job in this database."""


class WhereRefused(BackfillError):
    """`where` fails on a row as `set` leaves it; earlier batches stay."""


class DatabaseError(BackfillError):
    """The database could not do what was asked; running again is safe."""


class ConnectionLost(DatabaseError):
    """The connection is gone, and it is unknown whether the last commit happened."""


class LoginRefused(ConnectionLost):
    """The server answers and does not let the role in: another attempt helps only after somebody has changed that."""


class StatementRefused(DatabaseError):
    """A statement failed: its SQLSTATE decides what is tried next (`retry.sqlstate`); `took_s` is its time."""

    def __init__(self, message: str, sqlstate: str, took_s: float = 0.0) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.took_s = took_s


class FunctionError(BackfillError):
    """The row function raised, returned something invalid, or ended its process."""


class DeferredRefused(StatementRefused):
    """A constraint or trigger that is checked at COMMIT refuses the rows of a batch."""


class RowRefused(BackfillError):
    """A row that violates a constraint, a cast or a trigger, or takes too long: the message says which and why."""


class Halted(BackfillError):
    """A condition that needs manual intervention, such as a missing GRANT or a full disk."""

    exit_code = ExitCode.HALTED


class PlanStops(Halted):
    """A finding of the plan says that the job must not run now, and nobody has forced it."""


class Cancelled(BackfillError):
    """A person has cancelled the job: it runs again only from the beginning, with --restart."""

    exit_code = ExitCode.HALTED


class ProofInterrupted(BackfillError):
    """The final read was ended for a person's request; it begins again when the job goes on."""


class LockHeld(BackfillError):
    """Another worker holds the job's lock, and the command does not wait for it."""

    exit_code = ExitCode.LOCK_HELD


class GateClosed(BackfillError):
    """The gate did not open in its time: the deploy must wait."""

    exit_code = ExitCode.LOCK_HELD


class Superseded(BackfillError):
    """The checkpoint is not where we left it: another worker has moved it, our batch was rolled back."""


class TableRewritten(BackfillError):
    """The table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE) or replaced; our batch was rolled back."""


class LeafDropped(BackfillError):
    """A leaf no longer belongs to the job's table: it was dropped, renamed or detached."""


class Stopped(BackfillError):
    """The process was asked to stop; the checkpoint is saved."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
