"""The page of failure modes has nine of them, each test that it names exists, and each has a protection to take away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.failure_modes.protections import PROTECTIONS, Protection

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/failure-modes.md").read_text(encoding="utf-8")
MODES = dict(re.findall(r"^## (\w)\. [^\n]+\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_there_are_nine_modes():
    assert list(MODES) == list("abcdefghi")


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_names_tests_that_exist(mode: str):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", MODES[mode].partition("Tests:")[2])
    assert named
    for path, name in named:
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


def test_every_mode_has_a_protection():
    assert {protection.mode for protection in PROTECTIONS} == set(MODES)


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.name)
def test_a_protection_can_be_taken_away_and_its_test_is_on_the_page(protection: Protection):
    assert f"`{protection.test}`" in MODES[protection.mode]
    for replacement in protection.without:
        assert (ROOT / replacement.path).read_text(encoding="utf-8").count(replacement.old) == 1, replacement
