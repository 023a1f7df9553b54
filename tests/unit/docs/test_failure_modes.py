"""The page of failure modes has nine of them, and each test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
