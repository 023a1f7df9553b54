"""When the server gives up our locks by itself: the worker is frozen, its host is gone, or nobody reads the answers.

Each setting ends one state in which a backend would hold locks forever:

- It waits for the next statement of a transaction: `idle_in_transaction_session_timeout`.
- It waits for the rest of a message that was sent in part: `transaction_timeout` (17 and later).
- It runs, or has nothing to do, and the host of the worker is gone: the keepalives of the server's side, and
  `client_connection_check_interval` to notice while a statement runs.
- It writes what nobody reads: `tcp_user_timeout`; `statement_timeout` does not end a write. A Unix socket has no such
  timeout, so notices and warnings are not sent at all.
"""

from __future__ import annotations

IDLE_S = 5.0
"""Between two statements of a transaction. The worker itself takes milliseconds; being cut off costs it one batch."""
HOST_LOST_S = 10.0
"""Until the server gives up a host that acknowledges nothing, or that reads nothing."""
CHECK_S = 1.0
"""How often a running statement looks whether its client is still there."""
_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_COUNT = 5, 2, 3


def release_settings(statement_timeout_s: float) -> dict[str, str]:
    """Return these settings by name."""
    return {
        "idle_in_transaction_session_timeout": _ms(IDLE_S),
        "transaction_timeout": _ms(3 * statement_timeout_s + 2 * IDLE_S),
        "client_connection_check_interval": _ms(CHECK_S),
        "tcp_keepalives_idle": str(_KEEPALIVE_IDLE_S),
        "tcp_keepalives_interval": str(_KEEPALIVE_INTERVAL_S),
        "tcp_keepalives_count": str(_KEEPALIVE_COUNT),
        "tcp_user_timeout": _ms(HOST_LOST_S),
        "client_min_messages": "error",
    }


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
