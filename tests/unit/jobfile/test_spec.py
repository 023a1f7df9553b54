"""Each field of a job is what it does or how it goes about it; a changed spec is shown as a small diff, and only that."""

from __future__ import annotations

import pytest

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile, load
from backfill.jobfile.spec import CONDUCT, SPEC, conduct_of, difference, is_same, other_spec, spec_of
from tests.factories import job

TEXT = """\
name: users-handle
table: public.users
set:
  handle: lower(username)
where: handle IS NULL
"""
MORE = """\
using: {table: accounts, as: a, on: a.id = users.id}
"""


def job_file(text: str) -> JobFile:
    return load(text, "users.yaml")


def refusal(before: str, after: str) -> str:
    return str(other_spec(job_file(after), spec_of(job_file(before).job)))


def test_every_field_of_a_job_is_in_exactly_one_of_the_two():
    assert set(Job.model_fields) == SPEC | CONDUCT
    assert set() == SPEC & CONDUCT


def test_what_is_kept_holds_every_field_once():
    kept = {"name", *spec_of(job()), *conduct_of(job())}
    assert kept | {"using", "python"} == {field.alias or name for name, field in Job.model_fields.items()}
    assert not set(spec_of(job())) & set(conduct_of(job()))


def test_conninfos_and_probes_are_not_kept():
    throttle = {"probes": [{"name": "a", "sql": "SELECT 1", "max": 1}], "replicas": {"direct": ["password=secret"]}}
    assert "secret" not in str(conduct_of(job(throttle=throttle)))
    assert "SELECT 1" not in str(conduct_of(job(throttle=throttle)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lower(username)", "lower( username)"),
        ("handle IS NULL", "|\n  handle  IS NULL -- those without"),
        ("public.users", "users"),
        ("where:", "throttle: {max_lag: 1s}\nwindow: 22:00-06:00 UTC\nsync: trigger\nwhere:"),
    ],
)
def test_blanks_comments_and_conduct_are_no_other_spec(old: str, new: str):
    before, after = spec_of(job_file(TEXT).job), spec_of(job_file(TEXT.replace(old, new)).job)
    assert is_same(before, after) is ("( " not in new)
    assert (difference(before, after) == "") is ("( " not in new)


ADVICE = "\ngive the job another name, or start it anew with --restart (rows that are filled stay filled)"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            TEXT,
            TEXT.replace("lower(username)", "username"),
            (
                "users.yaml:4:11: job 'users-handle' was started with another file\n"
                "- set.handle: lower(username)\n+ set.handle: username"
            ),
        ),
        (
            TEXT,
            TEXT.replace("where", "  email: now()\nwhere").replace("handle IS NULL", "email IS NULL"),
            (
                "users.yaml:5:10: job 'users-handle' was started with another file\n"
                "+ set.email: now()\n- where: handle IS NULL\n+ where: email IS NULL"
            ),
        ),
        (
            TEXT + MORE,
            TEXT,
            (
                "users.yaml:1:1: job 'users-handle' was started with another file\n"
                "- using.table: public.accounts\n- using.as: a\n- using.on: a.id = users.id"
            ),
        ),
        (
            TEXT,
            TEXT.replace("lower(username)", "|\n    CASE WHEN username = ''\n    THEN NULL END"),
            (
                "users.yaml:5:5: job 'users-handle' was started with another file\n"
                "- set.handle: lower(username)\n+ set.handle: CASE WHEN username = ''\n+   THEN NULL END"
            ),
        ),
        (
            TEXT,
            TEXT.replace("lower(username)", "python") + "python: {function: m:f, inputs: [username]}\n",
            (
                "users.yaml:4:11: job 'users-handle' was started with another file\n"
                "- set.handle: lower(username)\n+ set.handle: python\n+ python.function: m:f\n+ python.inputs: [username]"
            ),
        ),
    ],
)
def test_another_spec_is_refused_where_it_begins_with_what_differs(before: str, after: str, said: str):
    assert refusal(before, after) == said + ADVICE


def test_a_spec_that_was_edited_by_hand_is_compared_as_it_is():
    edited = {"table": 5, "set": [1, "x"], "where": None}
    assert not is_same(edited, spec_of(job()))
    assert "- set: [1, x]" in difference(edited, spec_of(job()))
