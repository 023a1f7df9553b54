"""Every static statement exists, is used, and is explained by a comment above it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import backfill.postgres

PACKAGE = Path(backfill.postgres.__file__).parent
FILES = sorted(path.relative_to(PACKAGE / "sql").with_suffix("").as_posix() for path in PACKAGE.rglob("*.sql"))
CODE = "\n".join(path.read_text() for path in PACKAGE.parent.rglob("*.py"))
BUILT_NAMES = {"state/grants", "state/grant_sync", "state/grant_compression"}
"""Statements that are named without their folder; so are all of monitor, which are run together."""


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("state/migrations/")])
def test_a_statement_is_used_by_its_name(name):
    short = name.rsplit("/", 1)[-1] if name in BUILT_NAMES or name.startswith("monitor/") else name
    assert f'"{short}"' in CODE or f'"{name}"' in CODE


@pytest.mark.parametrize("name", FILES)
def test_a_statement_begins_with_a_sentence_for_the_dba(name):
    assert (PACKAGE / "sql" / f"{name}.sql").read_text().startswith("-- ")


def test_every_statement_that_the_code_names_is_a_file():
    named = set(re.findall(r'(?:statement|static)\(\s*"([^"<]+)"', CODE))
    assert named <= set(FILES)
