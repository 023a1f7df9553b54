"""Squawk, the linter of migrations, finds nothing in any DDL that we emit but what is listed here with its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backfill.jobfile.finish import Finish
from backfill.postgres.plan.finish_titles import titled_finish
from backfill.postgres.plan.sync_titles import titled_trigger
from backfill.postgres.state.migrations import migrations
from backfill.values.identifier import TableName
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
    "011_history": {"prefer-bigint-over-int": INTENDED},
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


FINISH = Finish.model_validate(
    {
        "not_null": ["handle"],
        "indexes": [
            {"columns": ["id", "handle"], "unique": True, "constraint": True},
            {"columns": ["handle"], "where": "id > 5"},
        ],
    }
)
USERS, LEAF = TableName("public", "users"), TableName("public", "users_1")
VALIDATED = "a valid CHECK says the same, so the table is not read; no linter can see that in one file"
EMPTY = "ONLY the partitioned table, which has no rows"
MAY = {
    "adding-not-nullable-field": VALIDATED,
    "disallowed-unique-constraint": EMPTY,
    "constraint-missing-not-valid": EMPTY,
    "ban-drop-constraint": "the CHECK is ours, and says what the column itself says by then",
    "require-concurrent-index-creation": EMPTY,
    "prefer-robust-stmts": "finish looks in the catalog what is there, and never says IF NOT EXISTS of an index",
}
"""Rules that the DDL of finish breaks, and why it may."""


@pytest.mark.parametrize("version", [140000, 180000])
@pytest.mark.parametrize("leaf", [USERS, LEAF])
def test_each_statement_of_finish_breaks_only_rules_that_it_may(version, leaf):
    found = set()
    for title, composed in titled_finish(FINISH, USERS, version, leaf):
        assert title.startswith("finish: ")
        options = () if "CONCURRENTLY" in composed.as_string() else ("--assume-in-transaction",)
        found |= set(lint(composed.as_string() + ";", *options))
    assert found <= set(MAY), found - set(MAY)
