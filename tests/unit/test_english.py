"""What users see has none of the words that made this project read like a translation (CONTRIBUTING, How we write)."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from backfill.cli.root import app
from backfill.jobfile.json_schema import schema_text
from tests.english import BANNED, ROOT, files, find, find_in

PACKAGES = sorted(path.name for path in (ROOT / "backfill").iterdir() if path.is_dir() and path.name != "__pycache__")
ELSEWHERE = ("docs", "grafana", "deploy", "jobs", "README.md", "CHANGELOG.md")
COMMANDS = ("run", "serve", "plan", "status", "tune", "init", "retry-rejected", "schema", "demo", "gate", "verify")


@pytest.mark.parametrize("folder", [*(f"backfill/{name}" for name in PACKAGES), *ELSEWHERE])
def test_no_banned_word(folder: str):
    assert [str(found) for path in files(folder) for found in find(path)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_banned_word_in_the_help(command: str):
    shown = CliRunner().invoke(app, [command, "--help"], prog_name="backfill").stdout
    assert not list(find_in(" ".join(shown.split())))


def test_no_banned_word_in_the_job_schema():
    assert not list(find_in(schema_text()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the log tells why", "tells"),
        ("mend the row", "mend"),
        ("it matches no more", "no more"),
        ("no more than 5 rows", None),
        ("a statement of ours", "of ours"),
        ("they wait for ever", "for ever"),
        ("rows that are set aside", "set aside"),
        ("sets such a row aside", "sets such a row aside"),
        ("let the value be text", "let the value be"),
        ("so many rows", "so many"),
        ("it is no standby", "is no "),
        ("there is no standby", None),
        ("it is no longer a standby", None),
        ("rows still to do", "rows still to do"),
        ("what to do about it", None),
        ("only where it helps", "only where"),
    ],
)
def test_the_words_are_found(text: str, found: str | None):
    assert [word for word, _ in find_in(text)] == ([found] if found else [])


def test_every_banned_word_has_a_replacement():
    assert all(BANNED.values())
