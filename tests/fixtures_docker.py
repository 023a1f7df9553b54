"""`--pg docker:TAG`: tests that are marked `docker`, on servers in containers; all others are left out.

Where no engine answers they are skipped with the reason; with BACKFILL_TEST_PG_REQUIRED that is an error.
"""

from __future__ import annotations

import os

import pytest

LOCAL, DOCKER = "local", "docker"
TAG = "17"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pg",
        default=os.environ.get("BACKFILL_TEST_PG", LOCAL),
        metavar="local|docker[:TAG]",
        help="where the tests' cluster runs: as processes of this machine, or in containers of postgres:TAG;"
        " without it BACKFILL_TEST_PG",
    )


def chosen_tag(config: pytest.Config) -> str | None:
    """Return the image's tag where the cluster is to run in containers, None where it is not."""
    where, _, tag = str(config.getoption("--pg")).partition(":")
    return (tag or TAG) if where == DOCKER else None


def pytest_configure(config: pytest.Config) -> None:
    given = str(config.getoption("--pg"))
    if given != LOCAL and given.partition(":")[0] != DOCKER:
        raise pytest.UsageError(f"--pg is local or docker[:TAG], not {given!r}")
    if chosen_tag(config) and "BACKFILL_TEST_PG_REQUIRED" in os.environ and (reason := _why_absent()):
        raise pytest.UsageError(f"{reason}, and BACKFILL_TEST_PG_REQUIRED is set")


def pytest_report_header(config: pytest.Config) -> str | None:
    tag = chosen_tag(config)
    return f"PostgreSQL in containers of postgres:{tag}: {_why_absent() or 'the engine answers'}" if tag else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if chosen_tag(config) is None:
        return
    fit = [item for item in items if item.get_closest_marker(DOCKER)]
    config.hook.pytest_deselected(items=[item for item in items if item not in fit])
    items[:] = fit
    if fit and (reason := _why_absent()):
        for item in fit:
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_absent() -> str | None:
    from tests.containers import why_absent  # noqa: PLC0415 - the engine's client is imported where it is used

    return why_absent()
