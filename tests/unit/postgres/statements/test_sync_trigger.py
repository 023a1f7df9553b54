"""The trigger of `sync: trigger` as golden texts; `python -m tests.unit.postgres.statements.test_sync_trigger` writes them anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backfill.postgres.session.settings import EXPRESSION_SETTINGS, OURS
from backfill.postgres.statements.sync_trigger import (
    SyncTrigger,
    create_sequence,
    disarm,
    drop_function,
    drop_trigger,
)
from backfill.values.identifier import TableName
from tests import factories

GOLDEN = Path(__file__).with_name("golden_sync")
USERS = TableName("public", "users")
PLAIN = SyncTrigger(
    job=factories.job(),
    name="zzz_backfill_users-handle",
    function="sync_users-handle",
    when="NEW.handle IS NULL",
    missed=16400,
    not_null=(),
    schemas=("pg_catalog", "public"),
    settings={name: OURS.get(name, "default") for name in EXPRESSION_SETTINGS},
)
ODD = replace(
    PLAIN,
    job=factories.job(
        table='"We.ird "" Schema"."Tä%ble"',
        set={'"100%"': "replace(\"Üser %\", '%', $backfill$\\%$backfill$) -- %(low)s", '"O\'Key""s"': "id % 2"},
        where='"100%" IS NULL AND "Üser %" LIKE \'%x\'',
        using={"table": '"Sho%p".accounts', "as": '"a b"', "on": '"a b".id = "Tä%ble".id'},
    ),
    when=None,
    missed=None,
    not_null=("O'Key\"s",),
    schemas=('odd "schema"',),
)
CASES = {"sync_trigger": PLAIN, "sync_trigger_odd": ODD}


def text_of(trigger: SyncTrigger) -> str:
    made = [
        *create_sequence(trigger.function),
        trigger.create_function(),
        *trigger.create_triggers([trigger.job.table]),
    ]
    removed = [
        disarm(trigger.function),
        drop_trigger(trigger.name, trigger.job.table),
        *drop_function(trigger.function),
    ]
    return "".join(f"{statement.as_string()};\n\n" for statement in (*made, *removed))


@pytest.mark.parametrize("case", CASES)
def test_its_statements_are_as_reviewed(case: str):
    assert text_of(CASES[case]) == (GOLDEN / f"{case}.sql").read_text()


def test_its_definition_changes_with_all_that_it_means():
    others = [
        replace(PLAIN, when=None),
        replace(PLAIN, missed=16401),
        replace(PLAIN, name="zzzz_backfill_users-handle"),
        replace(PLAIN, not_null=("handle",)),
        replace(PLAIN, schemas=("public",)),
        replace(PLAIN, settings={**PLAIN.settings, "TimeZone": "Europe/Berlin"}),
        replace(PLAIN, job=factories.job(set={"handle": "lower(username)"})),
    ]
    assert len({PLAIN.definition, *(other.definition for other in others)}) == len(others) + 1
    assert replace(PLAIN).definition == PLAIN.definition


if __name__ == "__main__":
    for name, trigger in CASES.items():
        (GOLDEN / f"{name}.sql").write_text(text_of(trigger))
