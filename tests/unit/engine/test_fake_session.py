"""The fake keeps what the real session keeps."""

from __future__ import annotations

import asyncio

import pytest

from tests.fake_session import Clock, FakeDatabase, users
from tests.session_contract import CONTRACT, MAX_ROWS, ROWS


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_the_fake_keeps_the_contract(check):
    asyncio.run(check(FakeDatabase(users(ROWS), Clock(), max_rows=MAX_ROWS).connect))
