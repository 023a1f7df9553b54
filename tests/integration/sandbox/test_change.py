"""A whole change while an old and a new version of an application write at full speed and read a standby.

No version sees an error, and no row is wrong on either server. How much slower their statements are is compared in
spells that alternate, in the long test.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from backfill.observe.terminal.line_output import LineOutput
from backfill.sandbox import Sandbox
from backfill.sandbox.change.application import SESSIONS
from backfill.sandbox.change.outcome import ChangeOutcome
from backfill.sandbox.change.play import ChangePlay
from backfill.sandbox.change.tables import MEMBERS, USERS, ChangedTable
from tests.majors import binaries, why_absent

RATIO_MAX, PAIRS_MIN = 2.0, 3


def play(
    folder: Path, *tables: ChangedTable, rows: int, spell_s: float, sessions: int, programs: Path | None = None
) -> tuple[list[ChangeOutcome], str]:
    """Play the changes; return the verdicts, and the lines that were shown."""
    lines = io.StringIO()
    with Sandbox(programs) as sandbox:
        primary = sandbox.primary()
        standby = sandbox.standby("replica-a", primary)
        return [
            ChangePlay(
                table=table,
                rows=rows,
                primary=primary,
                standby=standby,
                folder=folder,
                screen=LineOutput(lines),
                spell_s=spell_s,
                sessions=sessions,
            ).play()
            for table in tables
        ], lines.getvalue()


@pytest.mark.timeout(240)
def test_a_column_is_renamed_under_two_versions_that_see_no_error(tmp_path: Path):
    [outcome], lines = play(tmp_path, USERS, rows=1000, spell_s=0.1, sessions=1)
    assert (outcome.errors, outcome.rows_wrong) == (0, 0), (outcome, lines)
    assert all(seen.written["updates"] for seen in outcome.versions.values())
    for words in (
        'ADD COLUMN "handle" text: done in ',
        "trigger zzz_backfill_users-handle fills rows",
        "no row matches any longer",
        "gate open after ",
        'UNIQUE USING INDEX "users_handle_key": done in ',
        "trigger zzz_backfill_users-handle removed",
        "the old version is gone",
        'DROP COLUMN "username": done in ',
    ):
        assert words in lines, lines


@pytest.mark.long
@pytest.mark.majors(14, 18)
@pytest.mark.timeout(600)
def test_its_statements_hardly_get_slower_and_a_partitioned_table_is_changed_as_well(major: int, tmp_path: Path):
    if reason := why_absent(major):
        pytest.skip(reason)
    programs = binaries(major).directory
    outcomes, lines = play(tmp_path, USERS, MEMBERS, rows=20_000, spell_s=1.0, sessions=SESSIONS, programs=programs)
    for outcome in outcomes:
        assert (outcome.errors, outcome.rows_wrong) == (0, 0), (outcome, lines)
    for outcome in outcomes:
        for compared in outcome.latency.values():
            if compared is None or compared.pairs < PAIRS_MIN:
                pytest.skip("the machine is too busy for this: a second has fewer than 100 statements")
            assert compared.ratio < RATIO_MAX, (compared, lines)
