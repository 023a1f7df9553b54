"""The next job is chosen by window, priority and name; what a job comes after is kept, and refused by name if it cannot be."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.jobfile.load import JobFile, load
from backfill.jobfile.schedule.job_order import Candidate, JobStage, next_job, reason_to_wait, refused_orders
from tests.factories import job


def made(name: str, *after: str) -> JobFile:
    text = f"name: {name}\ntable: t\nset: {{x: y}}\nwhere: x IS NULL\nafter: [{', '.join(after)}]\n"
    return load(text, f"{name}.yaml")


def errors(*job_files: JobFile, complete: bool = True) -> dict[str, str]:
    return {file: str(error) for file, error in refused_orders(job_files, complete=complete).items()}


OPEN, CLOSED = True, False


@pytest.mark.parametrize(
    ("candidates", "first"),
    [
        ([], None),
        ([("a", 0, OPEN), ("b", 0, OPEN)], "a"),
        ([("a", 0, OPEN), ("b", 1, OPEN)], "b"),
        ([("a", 9, CLOSED), ("b", -1, OPEN)], "b"),
        ([("a", 0, CLOSED), ("b", 0, CLOSED), ("c", 5, CLOSED)], "c"),
    ],
)
def test_an_open_window_goes_before_priority_and_priority_before_the_order(candidates, first: str | None):
    found = next_job(Candidate(file=file, priority=priority, is_open=is_open) for file, priority, is_open in candidates)
    assert (found.file if found else None) == first


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ({"a": JobStage.DONE, "b": JobStage.DONE}, None),
        ({"a": JobStage.RUNNING, "b": JobStage.DONE}, "waits for job 'a': running"),
        ({"a": JobStage.DONE, "b": JobStage.READY}, "waits for job 'b': not started yet"),
        (
            {"a": JobStage.FAILED, "b": JobStage.READY},
            "waits for job 'a': failed; remove the cause; to try it at once: backfill resume a",
        ),
        (
            {"a": JobStage.UNCONVERGED},
            "waits for job 'a': unconverged; exclude its rows by 'where', or fill them otherwise",
        ),
        ({"a": JobStage.REFUSED}, "waits for job 'a': refused; correct its file"),
        ({"b": JobStage.DONE}, "waits for job 'a': no file that can be read defines it"),
    ],
)
def test_a_job_says_which_one_it_waits_for_and_what_helps(stages, reason: str | None):
    assert reason_to_wait(job(after=["a", "b"]), stages) == reason


def test_a_job_that_comes_after_none_never_waits():
    assert reason_to_wait(job(), {}) is None


def test_an_unknown_name_is_refused_with_the_one_that_was_meant():
    assert errors(made("users"), made("orders", "user", "users"), made("logs", "zebra")) == {
        "orders.yaml": "orders.yaml:5:9: no job 'user' in this directory; did you mean 'users'?",
        "logs.yaml": "logs.yaml:5:9: no job 'zebra' in this directory; there are logs, orders, users",
    }


def test_a_name_may_be_in_a_file_that_cannot_be_read():
    assert errors(made("orders", "users"), complete=False) == {}


def test_a_circle_is_refused_in_each_of_its_files_and_nowhere_else():
    found = errors(made("a", "c"), made("b", "a"), made("c", "b"), made("d", "a"))
    assert found == {
        "a.yaml": "a.yaml:5:9: these jobs wait for each other: a after c after b after a; remove one of these",
        "b.yaml": "b.yaml:5:9: these jobs wait for each other: b after a after c after b; remove one of these",
        "c.yaml": "c.yaml:5:9: these jobs wait for each other: c after b after a after c; remove one of these",
    }


NAMES = ("a", "b", "c", "d")


@given(st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), min_size=4))
@settings(max_examples=30, deadline=None)
def test_jobs_that_are_not_refused_can_all_be_done_in_some_order(after: dict[str, set[str]]):
    job_files = [made(name, *sorted(after[name] - {name})) for name in NAMES]
    refused = {error_file.removesuffix(".yaml") for error_file in errors(*job_files)}
    orders = (
        all(before in order[:place] for place, name in enumerate(order) for before in after[name] - {name})
        for order in permutations(NAMES)
    )
    assert (not refused) is any(orders)
    stages = {name: JobStage.REFUSED if name in refused else JobStage.READY for name in NAMES}
    for _ in NAMES:
        for one in job_files:
            if stages[one.job.name] is JobStage.READY and reason_to_wait(one.job, stages) is None:
                stages[one.job.name] = JobStage.DONE
    behind = set(refused)
    for _ in NAMES:
        behind |= {name for name in NAMES if (after[name] - {name}) & behind}
    assert {name for name, stage in stages.items() if stage is JobStage.DONE} == set(NAMES) - behind
