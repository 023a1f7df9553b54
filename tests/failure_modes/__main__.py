"""`make failure-modes`: take each protection away in a copy of the project; the test that is named for it has to fail.

First all these tests have to pass in a copy that is whole. Exits with 1 if a test passes without its protection.
`python -m tests.failure_modes b e` plays some modes alone.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.failure_modes.protections import PROTECTIONS, Protection
from tests.mutation import find_catcher

TIMEOUT_S = 900.0


def caught_by(protection: Protection) -> str | None:
    """Return the test that fails without a protection; None if it passes."""
    return find_catcher(protection.name, protection.without, [protection.test], TIMEOUT_S)


def main(modes: list[str]) -> int:
    chosen = [protection for protection in PROTECTIONS if protection.mode in modes or not modes]
    if failed := find_catcher("the whole copy", (), sorted({one.test for one in chosen}), TIMEOUT_S):
        sys.stdout.write(f"{failed} fails although nothing was taken away\n")
        return 1
    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(caught_by, chosen))
    for protection, test in zip(chosen, caught, strict=True):
        verdict = f"fails: {test}" if test else "PASSES without it"
        sys.stdout.write(f"{protection.mode}  {protection.name:48} {verdict}\n")
    return 1 if None in caught else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
