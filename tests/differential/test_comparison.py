"""The comparison can fail: each way to differ is found, and what may differ is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.differential.case import Case
from tests.differential.comparison import End, Kind, Left, Played, compare
from tests.differential.corpus.make import case
from tests.differential.exemptions import STATEMENT_FIRINGS, WHERE_FAILS_LATER
from tests.differential.playing import Playground

CASE = Case(setup=(), set_=(("n", "1"),), where="n IS NULL")
REFUSED = End(2, "/tmp/job.yaml:3:5: column 'n' is unknown")


def left(*rows: str, has_state: bool = True, **tables: tuple[str, ...]) -> Left:
    others = {f"app.{name}": one for name, one in tables.items()}
    return Left({"app.t": rows} | others, has_state, frozenset({"app.t"}))


BEFORE, AFTER = left("(1,)", "(2,)", has_state=False), left("(1,1)", "(2,1)")
SAME = Played(BEFORE, End(0, "UPDATE 2"), AFTER, End(0, "done"), AFTER)
REFUSED_BEFORE = replace(SAME, job_end=REFUSED, job=BEFORE)
BOTH_FAIL = Played(BEFORE, End(1, "23514"), BEFORE, End(1, "failed"), BEFORE, rowwise=left("(1,1)", "(2,)"))


@pytest.mark.parametrize(
    ("kind", "played"),
    [
        (Kind.VALUES, replace(SAME, job=left("(1,1)", "(2,2)"))),
        (Kind.VALUES, replace(SAME, job=left("(1,1)", "(2,1)", "(2,1)"))),
        (Kind.VALUES, replace(SAME, job=left("(1,1)", "(2,1)", audit=("(1)",)))),
        (Kind.VALUES, replace(SAME, job_end=End(3, "unconverged"), job=left("(1,1)", "(2,)"))),
        (Kind.SURVIVED, replace(BOTH_FAIL, job_end=End(0, "done"))),
        (Kind.SURVIVED, replace(BOTH_FAIL, job_end=End(3, "unconverged"))),
        (Kind.PARTIAL, replace(BOTH_FAIL, job=left("(1,2)", "(2,)"))),
        (Kind.BROKEN, replace(SAME, job_end=End(None, "Traceback"))),
        (Kind.ENDLESS, replace(SAME, job_end=End(None, "no end within 20 s"))),
        (Kind.TOUCHED, replace(REFUSED_BEFORE, job=replace(BEFORE, has_state=True))),
        (Kind.TOUCHED, replace(REFUSED_BEFORE, job=left("(1,1)", "(2,)", has_state=False))),
        (Kind.UNLOCATED, replace(REFUSED_BEFORE, job_end=End(2, "no"))),
        (Kind.FAILED, replace(SAME, job_end=End(4, "halted"), job=BEFORE)),
        (Kind.COMPLAINED, replace(SAME, job_end=End(1, "failed"))),
    ],
    ids=[
        *(
            "values",
            "values-twice",
            "values-elsewhere",
            "values-unconverged",
            "survived",
            "survived-in-part",
            "partial",
        ),
        *("broken", "endless", "touched-state", "touched-rows", "unlocated", "failed", "complained"),
    ],
)
def test_a_difference_is_found(kind: Kind, played: Played):
    found = compare(CASE, played)
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    "played",
    [
        SAME,
        replace(SAME, job_end=End(3, "unconverged")),
        replace(SAME, job=left("(1,1)", "(2,1)", firings=("(after)", "(after)"))),
        REFUSED_BEFORE,
        replace(REFUSED_BEFORE, plain_end=End(1, "23514"), plain=BEFORE),
        BOTH_FAIL,
        replace(BOTH_FAIL, job=left("(1,1)", "(2,)")),
    ],
    ids=["equal", "unconverged", "firings", "refused", "both-refused", "both-failed", "batches-stay"],
)
def test_what_may_be_is_no_difference(played: Played):
    assert compare(CASE, played) is None


def test_without_its_exemption_a_statement_triggers_table_is_compared():
    assert STATEMENT_FIRINGS in CASE.exemptions
    played = replace(SAME, job=left("(1,1)", "(2,1)", firings=("(after)", "(after)")))
    found = compare(replace(CASE, exemptions=()), played)
    assert found is not None
    assert "app.firings" in found.shown


def test_a_job_halts_where_its_condition_fails_on_a_later_row_as_it_is_set():
    halted = replace(SAME, job_end=End(4, f"job.yaml:4:9: {WHERE_FAILS_LATER.said}: no"), job=left("(1,1)", "(2,)"))
    assert compare(CASE, halted) is None
    odd = compare(CASE, replace(halted, job=left("(1,3)", "(2,)")))
    assert odd is not None
    assert odd.kind is Kind.PARTIAL


def test_on_row_error_skip_may_end_with_rows_left_where_the_update_fails():
    skipping = replace(CASE, keys=(("on_row_error", "skip"),))
    assert compare(skipping, replace(BOTH_FAIL, job_end=End(3, "unconverged"), job=left("(1,1)", "(2,)"))) is None


def test_a_job_that_has_to_be_done_may_not_be_refused():
    found = compare(replace(CASE, may_be_refused=False), REFUSED_BEFORE)
    assert found is not None
    assert found.kind is Kind.REFUSED


def test_a_job_that_means_something_else_is_found_on_a_server(ground: Playground):
    """The whole way, from SQL to rows: a job is compared with an UPDATE that is not its own."""
    honest = case(
        "CREATE TABLE app.t (id int PRIMARY KEY, n int)",
        "INSERT INTO app.t SELECT generate_series(1, 20)",
        set={"n": "id"},
        where="n IS NULL",
    )
    assert ground.difference(honest) is None
    found = ground.difference(replace(honest, meant=(("n", "id + (id = 13)::int"),)))
    assert found is not None
    assert found.kind is Kind.VALUES
    assert "expected (13,14)" in found.shown
