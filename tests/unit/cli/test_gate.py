"""Mistakes on a gate's command line are named before anything is connected to; what is well is taken as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from backfill.cli.commands.gate import _parse_column, _parse_lsn
from backfill.cli.root import app
from backfill.values.errors import JobError
from backfill.values.identifier import TableName


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lsn", "nonsense"), "--lsn: not an LSN: 'nonsense'"),
        (("--timeout", "5"), "--timeout: not a duration: '5'"),
        (("--max-lag", "10s"), "--for 5s is below --max-lag 10s"),
        (("--column", "handle"), "--column 'handle'"),
        (("--replica", "hots=a"), "--replica: the connection string cannot be parsed"),
        (("--job", "gone.yaml"), "gone.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], words: str):
    ended = CliRunner().invoke(app, ["gate", "--dsn", "host=nowhere", *arguments])
    assert isinstance(ended.exception, JobError)
    assert words in str(ended.exception)


def test_positions_and_columns_are_taken_as_they_are_written():
    assert _parse_lsn("16/B374D848") == 0x16_B374D848
    assert _parse_lsn(None) is None
    column = _parse_column('shop."Users".handle')
    assert (column.table, column.column) == (TableName("shop", "Users"), "handle")
    assert _parse_column("users.handle").table == TableName("public", "users")


def test_the_page_has_every_option():
    page = (Path(__file__).parents[3] / "docs/operations/deploy-gate.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["gate", "--help"], prog_name="backfill").stdout
    for option in (
        "--max-lag",
        "--for",
        "--job",
        "--lsn",
        "--column",
        "--replica",
        "--ignore",
        "--require",
        "--timeout",
    ):
        assert option in shown
        assert option in page
