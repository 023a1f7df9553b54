"""`python -m tests.differential [PATTERN]`: the fixed cases whose name has it, each with how the job differs."""

from __future__ import annotations

import sys

from tests.differential.comparison import compare
from tests.differential.corpus import CORPUS
from tests.differential.playing import playground


def main(pattern: str) -> int:
    """Play the cases; return how many differ."""
    differing = 0
    with playground() as ground:
        for name, case in CORPUS.items():
            if pattern not in name or ground.version < case.server_min:
                continue
            played = ground.play(case)
            difference = compare(case, played)
            differing += difference is not None
            if difference:
                pass
    return differing


if __name__ == "__main__":
    found = main(" ".join(sys.argv[1:]))
    sys.exit(bool(found))
