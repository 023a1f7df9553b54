"""PostgreSQL by its major: `--major N` runs all tests on that one, `bare` gives a server of each one in turn.

`bare`   a primary without standbys. A test that takes it runs once on each major of `tests.majors`, one that is
         marked `majors(14, 18)` on those alone; with `--major` on that one. Where a major cannot be run the test
         is skipped with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from backfill.sandbox import Sandbox, Server
from backfill.sandbox.binaries import find_binaries
from backfill.values.errors import BackfillError
from tests.fixtures_docker import chosen_tag
from tests.majors import VERSIONS, binaries, major_of, why_absent

Bares = Callable[[int], Server]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--major",
        type=int,
        choices=list(VERSIONS),
        help="run every server as this major of .venv/pg; python -m tests.majors installs it",
    )


def pytest_configure(config: pytest.Config) -> None:
    if (major := config.getoption("--major")) is None:
        return
    if reason := why_absent(major):
        raise pytest.UsageError(reason)
    # For the sandboxes of this process and of what it starts: pytest's workers, `backfill demo`.
    os.environ["BACKFILL_PG_BIN"] = str(binaries(major).directory)


def pytest_report_header(config: pytest.Config) -> str | None:
    if chosen_tag(config):
        return None
    try:
        found = find_binaries()
    except BackfillError as error:
        return f"PostgreSQL: {error}"
    return f"PostgreSQL {major_of(found)}: {found.directory}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "major" not in metafunc.fixturenames:
        return
    chosen, marker = metafunc.config.getoption("--major"), metafunc.definition.get_closest_marker("majors")
    majors = marker.args if marker else tuple(VERSIONS)
    metafunc.parametrize("major", [major for major in majors if chosen in (None, major)], scope="session")


@pytest.fixture(scope="session")
def bares() -> Iterator[Bares]:
    """Servers by their major, each made when it is asked for first and kept for the whole session."""
    servers: dict[int, Server] = {}
    with ExitStack() as stack:

        def bare(major: int) -> Server:
            if major not in servers:
                usual = find_binaries()
                found = usual if major_of(usual) == major else binaries(major)
                sandbox = stack.enter_context(Sandbox(found.directory))
                servers[major] = sandbox.primary(settings={"shared_buffers": "16MB", "max_prepared_transactions": "4"})
            return servers[major]

        yield bare


@pytest.fixture(scope="session")
def bare(major: int, bares: Bares) -> Server:
    if major_of(find_binaries()) != major and (reason := why_absent(major)):
        pytest.skip(reason)
    return bares(major)
