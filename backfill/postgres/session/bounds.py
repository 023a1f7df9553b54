"""What bounds the statements of a session: the defaults of a role or a database would cut the final read short."""

from __future__ import annotations

from backfill.postgres.session.lock_release import release_settings

TIMEOUT_S = 15.0
"""The statement_timeout of a session without a job."""
LOCK_TIMEOUT_S = 1.0
"""Its lock_timeout."""
ANSWER_S = 20.0
"""What an answer may take beyond two statements that each take all of statement_timeout."""


def bounds_of(statement_timeout_s: float = TIMEOUT_S, lock_timeout_s: float = LOCK_TIMEOUT_S) -> dict[str, str]:
    """Return these settings by name."""
    return release_settings(statement_timeout_s) | {
        "statement_timeout": f"{round(statement_timeout_s * 1000)}ms",
        "lock_timeout": f"{round(lock_timeout_s * 1000)}ms",
        "synchronous_commit": "off",  # a batch sets its own: what is kept of it never waits for a standby
    }


def answer_bound_s(statement_timeout_s: float = TIMEOUT_S) -> float:
    """Return how long an answer is waited for."""
    return 2 * statement_timeout_s + ANSWER_S
