"""`python -m backfill`, and the console script: remove a password from the arguments, repair streams, then run."""

from __future__ import annotations

import signal

from backfill.cli.argv import reexec_without_password
from backfill.service.stdio import open_closed_streams


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # stopping us while modules load is not an error
    reexec_without_password()
    open_closed_streams()
    from backfill.cli.root import main as run  # noqa: PLC0415 - its imports would be paid twice

    run()


if __name__ == "__main__":
    main()
