"""The errors a person may meet, drawn by whose fault they are.

    BackfillError
    ├── JobError         the job file or the command line; nothing was touched       exit 2
    │   └── Diverges     `where` stays true for every row of the first batch         exit 2
    ├── DatabaseError    the database said no; safe to run again                     exit 1
    │   ├── Lost         the connection went away; reconnect and read the checkpoint
    │   └── Refused      a statement failed, with its SQLSTATE
    ├── FunctionError    the job file's row function failed; earlier batches stay     exit 1
    ├── RowRefused       the server does not take one row; earlier batches stay       exit 1
    ├── Halted           a person must look                                          exit 4
    ├── LockHeld         another worker has the job (--no-wait)                      exit 75
    ├── Superseded       another worker moved our checkpoint: our batch changed nothing
    ├── Rewritten        the table's file is another one: its row addresses mean nothing now
    └── LeafGone         a partition or child was dropped or detached: the others go on

Messages are lower case, quote the value, and end with what to do next. Anything else that escapes is our bug.
"""

from __future__ import annotations


class BackfillError(Exception):
    """An error that is told to a person as one message, without a traceback."""

    exit_code = 1


class JobError(BackfillError):
    """The job file or the command line is wrong: `file:line:col: what is wrong, what is allowed`."""

    exit_code = 2


class WhereStaysTrue(JobError):
    """`where` stayed true for every row of the first batch, which was rolled back."""


class DatabaseError(BackfillError):
    """The database could not do what was asked; running again is safe."""


class ConnectionLost(DatabaseError):
    """The connection went away, and with it the knowledge whether the last commit happened."""


class StatementRefused(DatabaseError):
    """A statement failed; `sqlstate` decides what is tried next (`core.retry`), and how long it took before."""

    def __init__(self, message: str, sqlstate: str, took_s: float = 0.0) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.took_s = took_s


class FunctionError(BackfillError):
    """The job file's row function raised, returned what it must not, or ended its process for a row."""


class RowRefused(BackfillError):
    """A row that breaks a constraint, a cast or a trigger, or that takes too long: the message says which and why."""


class Halted(BackfillError):
    """A condition that only a person can mend, such as a missing GRANT or a full disk."""

    exit_code = 4


class LockHeld(BackfillError):
    """Another worker holds the job's lock and we were told not to wait."""

    exit_code = 75


class Superseded(BackfillError):
    """The checkpoint is not where we left it: another worker has moved it, our batch was rolled back."""


class TableRewritten(BackfillError):
    """The table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE) or replaced; our batch was rolled back."""


class LeafDropped(BackfillError):
    """A leaf belongs to the job's table no more: it was dropped, renamed or detached."""


class Stopped(BackfillError):
    """We were asked to stop; the checkpoint stands."""
