"""One server for all cases of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.playing import Playground, playground


@pytest.fixture(scope="session")
def ground() -> Iterator[Playground]:
    with playground() as made:
        yield made
