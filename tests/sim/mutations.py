"""`make mutations`: break the law in ways that somebody might, one at a time; a test has to notice each.

Every mutation is a replacement of text in a temporary copy of the project, and names the tests that are said to catch
it. Exits with 1 when one survives, or when its text is not found exactly once.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.mutation import Replacement, find_catcher
from tests.sim.mutants import MUTATIONS, Mutation


def caught_by(mutation: Mutation) -> str | None:
    """Return the test that notices a mutation; None when it survives."""
    path = f"backfill/throttle/{mutation.module.replace('.', '/')}.py"
    return find_catcher(mutation.name, [Replacement(path, mutation.old, mutation.new)], mutation.tests)


def main() -> None:
    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(caught_by, MUTATIONS))
    for mutation, test in zip(MUTATIONS, caught, strict=True):
        sys.stdout.write(f"{mutation.name:48} {test or 'SURVIVES'}\n")
    sys.exit(1 if None in caught else 0)


if __name__ == "__main__":
    main()
