"""A worker behind PgBouncer: in session mode like any other, in transaction mode refused."""

from __future__ import annotations

from tests.chaos.servers import CannotBeHadError
from tests.chaos.trial import Injection, MissedError, Trial
from tests.pooler import Pooler, why_absent

HALTED = 4
END_S = 60.0


def _pooler(trial: Trial, mode: str) -> Pooler:
    if why := why_absent():
        raise CannotBeHadError(why)
    return Pooler(trial.servers.sandbox, trial.primary, mode=mode, auth="scram-sha-256")


def _in_session_mode(trial: Trial) -> None:
    """The whole run goes through it."""
    with _pooler(trial, "session") as pooler, trial.hurried():
        worker = trial.start(dsn=pooler.dsn(trial.name))
        worker.wait(lambda: worker.told("BatchDone"), "works")
        trial.application.calm()
        trial.ended(worker, timeout_s=END_S)


def _in_transaction_mode(trial: Trial) -> None:
    """It is refused before it does anything, in words that name the remedy."""
    with _pooler(trial, "transaction") as pooler:
        worker = trial.start(dsn=pooler.dsn(trial.name), expected=(HALTED,))
        trial.ended(worker, timeout_s=END_S)
        if "session" not in worker.stderr or "pool" not in worker.stderr.lower():
            raise MissedError(f"it does not say what is wrong: {worker.stderr}")
        if worker.told("BatchDone"):
            raise MissedError("it was refused after it had done batches")


INJECTIONS: dict[str, Injection] = {
    "pgbouncer-session": _in_session_mode,
    "pgbouncer-transaction": _in_transaction_mode,
}
