"""`max_wal_rate` as a debt that time pays off: our WAL is on average never faster than the rate.

Idle time is saved up for a moment only, so that no burst follows a pause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SAVED_S = 0.1
DEBT_MAX_S = 5.0
"""Cap on the debt of one batch: anything above is a WAL segment switch or the WAL of other sessions."""
RATE_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class WalDebt:
    """Debt in bytes (negative: saved), and our own WAL rate as a moving average."""

    debt_bytes: float = 0.0
    own_rate_bytes_s: float = 0.0
    at_s: float = 0.0


def pass_time(wal_debt: WalDebt, now_s: float, rate_bytes_s: float) -> WalDebt:
    """Return the debt at `now_s`: time pays it off at the rate."""
    elapsed_s = max(0.0, now_s - wal_debt.at_s)
    owed = min(wal_debt.debt_bytes, rate_bytes_s * DEBT_MAX_S)
    debt = max(owed - rate_bytes_s * elapsed_s, -rate_bytes_s * SAVED_S)
    fade = max(0.0, 1.0 - elapsed_s / RATE_WINDOW_S)
    return replace(wal_debt, debt_bytes=debt, own_rate_bytes_s=wal_debt.own_rate_bytes_s * fade, at_s=now_s)


def spend(wal_debt: WalDebt, wal_bytes: int) -> WalDebt:
    """Return the debt after a batch wrote `wal_bytes`."""
    return replace(
        wal_debt,
        debt_bytes=wal_debt.debt_bytes + wal_bytes,
        own_rate_bytes_s=wal_debt.own_rate_bytes_s + wal_bytes / RATE_WINDOW_S,
    )


def wait_s(wal_debt: WalDebt, rate_bytes_s: float) -> float:
    """Return how long it takes to pay the debt off; 0 if there is none."""
    return max(0.0, wal_debt.debt_bytes / rate_bytes_s)
