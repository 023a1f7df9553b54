"""Squawk, the linter of migrations, finds nothing in any DDL that we emit but what is listed here with its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backfill.postgres.plan.sync_titles import titled_trigger
from backfill.postgres.state.migrations import migrations
from tests.unit.postgres.statements.test_sync_trigger import CASES

SQUAWK = Path(sys.executable).with_name("squawk")
OURS = "SET lock_timeout = '3s';\nSET statement_timeout = '15s';\n"
"""What every session of ours has set before its first statement."""

SMALL = "a table of the state has a few rows, and only our workers, who wait for this lock, read it"
INTENDED = "the number is a page, a lane or a pass, which never needs more"
MIGRATIONS: dict[str, dict[str, str]] = {
    "001_initial": {"prefer-bigint-over-int": INTENDED, "prefer-bigint-over-smallint": INTENDED},
    "002_checkpoint": {
        "renaming-table": SMALL,
        "renaming-object": SMALL,
        "renaming-column": SMALL,
        "changing-column-type": SMALL,
        "ban-drop-generated-expression": SMALL,
    },
    "003_seen_replicas": {"ban-drop-default": SMALL, "changing-column-type": SMALL},
    "010_request": {"ban-drop-constraint": SMALL, "constraint-missing-not-valid": SMALL},
}
"""Rules that a migration of the state schema breaks, and why it may."""

TRIGGER = {
    "ban-drop-function": "it is ours, and no trigger calls it by then",
    "ban-drop-sequence": "it is ours, and only that function used it",
}
"""Rules that the DDL of `sync: trigger` may break."""


def lint(statements: str, *options: str) -> dict[str, str]:
    """Return the rules that statements break, with the first message of each."""
    ended = subprocess.run(
        [SQUAWK, "--reporter", "json", "--pg-version", "14", "--stdin-filepath", "ddl.sql", *options],
        input=OURS + statements,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    found: dict[str, str] = {}
    for one in json.loads(ended.stdout):
        found.setdefault(one["rule_name"], one["message"])
    return found


def test_the_linter_finds_what_is_bad():
    found = lint("ALTER TABLE t ADD COLUMN c int NOT NULL; CREATE INDEX i ON t (c);")
    assert {"adding-required-field", "require-concurrent-index-creation"} <= set(found)


@pytest.mark.parametrize("migration", migrations(), ids=lambda migration: migration.name)
def test_a_migration_breaks_only_rules_that_it_may(migration):
    assert set(lint(migration.text, "--assume-in-transaction")) == set(MIGRATIONS.get(migration.name, ()))


@pytest.mark.parametrize("name", CASES)
def test_the_trigger_of_a_job_breaks_only_rules_that_it_may(name):
    trigger = CASES[name]
    titled = titled_trigger(trigger, [trigger.job.table])
    assert [title for title, _ in titled][-1].startswith("sync, removed")
    found = set(lint("".join(f"{composed.as_string()};\n" for _, composed in titled), "--assume-in-transaction"))
    assert found == set(TRIGGER)
