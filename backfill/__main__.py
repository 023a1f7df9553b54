"""`python -m backfill`, and the console script: hide a password first, settle the streams, then run."""

from __future__ import annotations

import signal

from backfill.argv import hide_password
from backfill.streams import settle


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # to stop us while modules load is no error of ours
    hide_password()
    settle()
    from backfill.cli import main as run  # noqa: PLC0415 - its imports would be paid twice

    run()


if __name__ == "__main__":
    main()
