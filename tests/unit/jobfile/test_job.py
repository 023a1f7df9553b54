"""A job made in Python meets the same limits as a file, and derives the same defaults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from backfill.jobfile.job import Job
from backfill.jobfile.limits import BatchLimits, ReplicaLimits, ThrottleLimits
from backfill.jobfile.row_sources import Assignment
from backfill.values.identifier import TableName

MINIMAL: dict[str, Any] = {"name": "a", "table": "users", "set": {"handle": "username"}, "where": "handle IS NULL"}


def job(**changes: Any) -> Job:
    return Job.model_validate({**MINIMAL, **changes})


def refusal(model: type[BaseModel], **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return "; ".join(error["msg"] for error in caught.value.errors())


def test_the_defaults_are_the_contract():
    one = job()
    assert one.table == TableName("public", "users")
    assert one.assignments == (Assignment(column="handle", expression="username"),)
    assert one.batch == BatchLimits(rows=5000, min_rows=1000, max_rows=10_000, target_time_s=0.25, stripes="auto")
    assert one.throttle.max_lag_s == 10.0
    assert one.throttle.max_lag_bytes == 256 * 1024**2
    assert one.throttle.max_wal_rate_bytes_s == 32 * 1024**2
    assert one.throttle.max_slot_retained_bytes == 10 * 1024**3
    assert one.throttle.max_archive_backlog_bytes == 1024**3
    assert one.throttle.replicas == ReplicaLimits(require=(), ignore=(), min_count=0)
    assert (one.lock_timeout_s, one.statement_timeout_s, one.synchronous_commit) == (1.0, 15.0, "off")


def test_defaults_agree_with_one_another():
    Job.model_validate(job().model_dump())
    assert BatchLimits().target_time_s < job().lock_timeout_s < job().statement_timeout_s
    assert BatchLimits().min_rows <= BatchLimits().rows <= BatchLimits().max_rows


@pytest.mark.parametrize(
    ("given_rows", "expected"),
    [
        ({"rows": 500}, (500, 500, 10_000)),
        ({"rows": 50_000}, (1000, 50_000, 50_000)),
        ({"max_rows": 2000}, (1000, 2000, 2000)),
        ({"max_rows": 300}, (300, 300, 300)),
        ({"max_rows": 50_000}, (1000, 5000, 50_000)),
        ({"min_rows": 200}, (200, 5000, 10_000)),
        ({"min_rows": 7000}, (7000, 7000, 10_000)),
        ({"min_rows": 20_000}, (20_000, 20_000, 20_000)),
        ({"rows": 1}, (1, 1, 10_000)),
        ({"rows": 1_000_000}, (1000, 1_000_000, 1_000_000)),
    ],
)
def test_row_limits_that_are_left_out_follow_the_others(given_rows: dict[str, int], expected: tuple[int, ...]):
    batch = BatchLimits(**given_rows)
    assert (batch.min_rows, batch.rows, batch.max_rows) == expected


@given(
    st.fixed_dictionaries({}, optional={key: st.integers(-10, 1_000_010) for key in ("rows", "min_rows", "max_rows")})
)
def test_row_limits_are_in_order_or_refused_for_what_was_written(written: dict[str, int]):
    try:
        batch = BatchLimits.model_validate(written)
    except ValidationError as error:
        for finding in error.errors():
            named = {str(key) for key in finding["loc"]} or {key for key in MINMAX if f"'{key}'" in finding["msg"]}
            assert named <= written.keys(), "a default of ours is never blamed"
        return
    assert 1 <= batch.min_rows <= batch.rows <= batch.max_rows <= 1_000_000
    assert written.items() <= batch.model_dump().items()


MINMAX = ("rows", "min_rows", "max_rows")


def test_a_job_is_a_value():
    assert job() == job()
    assert len({job(), job()}) == 1
    with pytest.raises(ValidationError):
        job().name = "b"  # type: ignore[misc]


@pytest.mark.parametrize("by_alias", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"set": {'"Handle"': "a", "b": "c -- why"}, "table": '"A"."b.c"'},
        {"throttle": {"max_lag": "1m30s", "replicas": {"require": ["a"], "ignore": ["dr-*"], "min": 1}}},
        {"batch": {"rows": 7, "stripes": 1}, "synchronous_commit": "remote_apply"},
        {"set": {"handle": "python"}, "python": {"function": "a.b:c", "inputs": ["x", '"Y y"']}},
    ],
)
def test_a_dump_reads_back(changes: dict[str, Any], by_alias: bool):
    one = job(**changes)
    assert Job.model_validate(one.model_dump(by_alias=by_alias)) == one
    assert Job.model_validate(one.model_dump(by_alias=by_alias, mode="json")) == one
    assert Job.model_validate_json(one.model_dump_json(by_alias=by_alias)) == one


def test_columns_of_set_take_the_row_function_s_values_where_there_is_one():
    assigned = {"a": "python", "b": "upper(python)", '"C"': "python"}
    assert job(set=assigned).from_python == ()
    mapped = job(set=assigned, python={"function": "m:f", "inputs": ["x", '"Y"']})
    assert mapped.from_python == ("a", "C")
    assert mapped.python is not None
    assert mapped.python.inputs == ("x", "Y")


FUNCTION = {"function": "m:f", "inputs": ["x"]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"python": FUNCTION}, "no column of 'set' uses the function's value"),
        (
            {"python": FUNCTION, "set": {"handle": "python"}, "using": {"table": "a", "on": "b"}},
            "'python' and 'using' cannot be combined",
        ),
        (
            {"python": FUNCTION | {"inputs": ["x", "X"]}, "set": {"handle": "python"}},
            "input 'x' is named twice",
        ),
    ],
)
def test_a_row_function_agrees_with_the_rest_of_its_job(changes: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        job(**changes)


def test_a_limit_may_be_changed_by_its_attribute_or_by_its_key():
    throttle = job().throttle
    for name in ("max_lag", "max_lag_s"):
        assert (
            ThrottleLimits.model_validate({**throttle.model_dump(exclude={"max_lag_s"}), name: "5s"}).max_lag_s == 5.0
        )


def test_python_may_use_units():
    assert ThrottleLimits(max_lag_s=2, max_lag_bytes=1024**2).max_lag_s == 2
    assert Job(
        name="a",
        table=TableName("public", "users"),
        assignments=(Assignment(column="Handle", expression="x"),),
        where="y",
    ).assignments == (Assignment(column="Handle", expression="x"),)


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (BatchLimits, {"rows": True}, "write a whole number such as 5000"),
        (BatchLimits, {"rows": 5000.0}, "write a whole number such as 5000"),
        (BatchLimits, {"rows": "5000"}, "write a whole number such as 5000"),
        (BatchLimits, {"rows": 0}, "allowed are 1 to 1000000"),
        (BatchLimits, {"stripes": True}, "allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
        (BatchLimits, {"stripes": 13}, "allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
        (BatchLimits, {"target_time_s": 0.001}, "allowed are 10ms to 1m"),
        (ThrottleLimits, {"max_lag_s": float("nan")}, "allowed are 100ms to 1d"),
        (ThrottleLimits, {"max_lag_s": float("inf")}, "allowed are 100ms to 1d"),
        (ThrottleLimits, {"max_lag_s": True}, "write a text such as 100ms"),
        (ThrottleLimits, {"max_lag_s": None}, "write a text such as 100ms"),
        (ReplicaLimits, {"require": "a"}, "write a list such as [replica-a]"),
        (ReplicaLimits, {"require": [""]}, "not a standby's name: ''; allowed are 1 to 63 bytes"),
        (ReplicaLimits, {"ignore": ["\ud800"]}, r"not a standby's name: '\ud800'; allowed are 1 to 63 bytes"),
        (
            ReplicaLimits,
            {"require": ["a", "b"], "ignore": ["b", "A", "a?"]},
            "'b' is required, but ignored by 'b'",
        ),
    ],
)
def test_python_meets_the_same_limits(model: type[BaseModel], values: dict[str, Any], message: str):
    assert refusal(model, **values) == message


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "_a", "a b", "a\n", "ä", "a" * 64, "a/b"])
def test_no_job_name(name: str):
    assert refusal(Job, **{**MINIMAL, "name": name}).startswith("not a job name: ")


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "a" * 63])
def test_a_job_name(name: str):
    assert job(name=name).name == name
