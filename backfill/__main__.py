"""`python -m backfill`, and the console script: hide a password first, settle the streams, then run."""

from __future__ import annotations

from backfill.argv import hide_password
from backfill.streams import settle


def main() -> None:
    """Run the command line."""
    hide_password()
    settle()
    from backfill.cli import main as run  # noqa: PLC0415 - its imports would be paid twice

    run()


if __name__ == "__main__":
    main()
