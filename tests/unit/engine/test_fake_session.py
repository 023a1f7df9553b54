"""The fakes keep what the real sessions keep, and the contract that says so names every method of the protocols."""

from __future__ import annotations

import ast
import asyncio
import inspect

import pytest

from backfill.engine.ports import JobSession, LaneSession, LeafSession, StatusSession
from tests import factories, session_contract
from tests.fake_database import Clock, FakeDatabase, users
from tests.session_contract import CONTRACT, MAX_ROWS, ROWS


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_the_fake_keeps_the_contract(check):
    asyncio.run(check(FakeDatabase(users(ROWS), Clock(), max_rows=MAX_ROWS).connect))


@pytest.mark.parametrize("protocol", [JobSession, LeafSession, LaneSession, StatusSession])
def test_every_public_method_of_a_protocol_is_named_by_the_contract(protocol: type):
    named: set[str] = set()
    for module in (session_contract, factories):
        tree = ast.parse(inspect.getsource(module))
        named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    methods = {name for name in vars(protocol) if not name.startswith("_")}
    assert methods
    assert methods <= named


def test_every_check_is_in_the_contract():
    tree = ast.parse(inspect.getsource(session_contract))
    checks = [
        node.name
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef) and [argument.arg for argument in node.args.args] == ["connect"]
    ]
    assert [check for check in checks if check != "opened"] == [check.__name__ for check in CONTRACT]
