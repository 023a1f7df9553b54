"""Amounts of money in the locales of other countries: another decimal point, no decimals, groups of other sizes.

Few machines have these locales, so they are made from glibc's sources, for a server of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.differential.case import Case
from tests.differential.comparison import compare
from tests.differential.corpus.functions import same
from tests.differential.corpus.make import case, role
from tests.differential.playing import Playground, playground

SOURCES = Path("/usr/share/i18n/locales")
LOCALES = {"de_DE": "€", "ja_JP": "￥", "en_IN": "₹"}
"""Each with its sign, which shows that the server has it."""
AMOUNTS = "(i * 12345.678)::numeric::money"
COMPUTED = {"made": "(id * 1234.5)::numeric::money::text || (amount * 2)::text", "cents": "amount::numeric"}


def computed(locale: str) -> Case:
    """Return a job that writes and reads amounts in SQL."""
    return case(
        "CREATE TABLE app.t (id int PRIMARY KEY, amount money, made text, cents numeric)",
        f"INSERT INTO app.t (id, amount) SELECT i, {AMOUNTS} FROM generate_series(1, 12) i",
        set=COMPUTED,
        where="made IS NULL",
        settings=role(lc_monetary=locale),
        may_be_refused=False,
    )


@pytest.fixture(scope="module")
def abroad() -> Iterator[Playground]:
    """Give a server that knows these locales."""
    with tempfile.TemporaryDirectory() as name:
        directory, localedef = Path(name), shutil.which("localedef")
        directory.chmod(0o755)  # servers of root's tests have another account
        for locale in LOCALES if localedef and SOURCES.is_dir() else ():
            # With warnings, of which some sources have a few, it ends with 1.
            asked = (str(localedef), "-i", locale, "-f", "UTF-8", str(directory / f"{locale}.UTF-8"))
            subprocess.run(asked, capture_output=True, check=False)
        if not all((directory / f"{locale}.UTF-8").is_dir() for locale in LOCALES):
            pytest.skip(f"no locale but C: localedef, or what it reads in {SOURCES}, is not on this machine")
        with patch.dict(os.environ, {"LOCPATH": name}), playground() as ground:
            yield ground


@pytest.mark.timeout(180)
@pytest.mark.parametrize("locale", LOCALES)
def test_a_job_writes_money_as_the_plain_update_does(abroad: Playground, locale: str):
    job = computed(f"{locale}.UTF-8")
    played = abroad.play(job)
    found = compare(job, played)
    assert found is None, f"{found}\n{job}"
    assert all(LOCALES[locale] in row for row in played.job.rows["app.t"]), played.job.rows


@pytest.mark.timeout(180)
def test_a_row_function_gives_money_back_as_it_was(abroad: Playground):
    job = same("money", AMOUNTS, role(lc_monetary="de_DE.UTF-8"))
    found = abroad.difference(job)
    assert found is None, f"{found}\n{job}"
