"""The page of findings has a row for each that the code can make, with the worst level that it can have."""

from __future__ import annotations

import re
from pathlib import Path

from backfill.change.findings.registry import CHECKS, STOPS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/operations/findings.md").read_text(encoding="utf-8")
MADE = {
    name
    for path in (ROOT / "backfill/change/findings").glob("*.py")
    for name in re.findall(r'\b(?:ok|warn|stop)\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
}


def test_every_finding_has_a_row():
    rows = re.findall(r"^\| `([a-z-]+)` \| (ok|warn|stop) \|", PAGE, re.MULTILINE)
    assert {name for name, _ in rows} == MADE | {check.name for check in CHECKS}
    assert len(rows) == len({name for name, _ in rows})
    assert {name for name, level in rows if level == "stop"} == set(STOPS)


def test_what_only_a_plan_judges_is_marked():
    marked = set(re.findall(r"^\| `([a-z-]+)` \| \w+ \| plan only:", PAGE, re.MULTILINE))
    assert {check.name for check in CHECKS if check.measured or check.forecast} <= marked
    assert not marked & {check.name for check in CHECKS if not (check.measured or check.forecast)}
