"""`backfill demo --change`: the whole change of two tables, on a primary and a standby that it makes itself."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from backfill.observe.terminal.line_output import LineOutput
from backfill.sandbox.change.outcome import ChangeOutcome
from backfill.sandbox.change.play import ChangePlay
from backfill.sandbox.change.tables import MEMBERS, USERS
from backfill.sandbox.cluster import Sandbox


def show_change(rows: int) -> int:
    """Play the changes; return 0 if neither version saw an error and no row is wrong."""
    console = Console()
    screen = LineOutput(sys.stdout)
    outcomes: list[ChangeOutcome] = []
    with Sandbox() as sandbox, TemporaryDirectory(prefix="backfill-demo-") as folder, screen:
        screen.note("starting a PostgreSQL primary and a standby")
        primary = sandbox.primary(settings={"max_wal_size": "2GB"})
        standby = sandbox.standby("replica-a", primary)
        screen.note(f"PostgreSQL {primary.query('SHOW server_version')[0][0]}")
        for table in (USERS, MEMBERS):
            play = ChangePlay(
                table=table, rows=rows, primary=primary, standby=standby, folder=Path(folder), screen=screen
            )
            outcomes.append(play.play())
    for outcome in outcomes:
        console.print(outcome.shown(), soft_wrap=True)
    return 0 if all(outcome.good for outcome in outcomes) else 1
