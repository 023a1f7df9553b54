"""The exit codes have one table: the help of each command and the documents say what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backfill.cli.root import app
from backfill.service.shutdown import EXIT_CODES
from backfill.values import errors
from backfill.values.exit_codes import MEANINGS, ExitCode

ROOT = Path(__file__).parents[3]


def words(text: str) -> str:
    return " ".join(text.split())


def test_every_code_has_a_meaning():
    assert set(MEANINGS) == set(ExitCode)


def test_run_explains_every_code():
    shown = words(CliRunner().invoke(app, ["run", "--help"], prog_name="backfill").stdout)
    assert all(f"{code:d} {meaning}" in shown for code, meaning in MEANINGS.items())


def test_the_readme_gives_each_code_the_same_meaning():
    text = words((ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))
    exits = text[text.index("Exit codes: **0**") :]
    for code in (ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.UNCONVERGED, ExitCode.HALTED):
        assert f"**{code:d}** {MEANINGS[code]}" in exits
    assert "**75** lock held elsewhere" in exits
    assert "**129/130/141/143** stopped by a signal" in exits


@pytest.mark.parametrize("page", ["docs/design.md", "docs/operations/exit-codes.md"])
def test_the_tables_of_the_documents_have_every_code(page):
    rows = re.findall(r"^\| ([0-9, ]+) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(int(code) for row in rows for code in row.split(",")) == sorted(ExitCode)


def test_every_error_ends_with_a_code_of_the_table():
    found = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BackfillError)
    ]
    assert {kind.exit_code for kind in found} <= set(ExitCode)
    assert set(EXIT_CODES.values()) <= set(ExitCode)
