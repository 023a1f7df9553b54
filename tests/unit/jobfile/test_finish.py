"""The key `finish`: what it may say, and what contradicts itself."""

from __future__ import annotations

import json

import pytest

from backfill.jobfile.job import Job
from backfill.jobfile.load import load
from backfill.values.errors import JobError

HEAD = "name: users-handle\ntable: users\nset: {handle: username}\nwhere: handle IS NULL\n"


def finish(text: str):
    return load(f"{HEAD}finish: {text}\n", "job.yaml").job.finish


def test_columns_and_indexes_are_read_as_in_sql():
    found = finish(
        '{not_null: [Handle, "Email"], indexes: [{columns: [handle], unique: true, where: deleted IS NULL}]}'
    )
    assert found.not_null == ("handle", "email")
    [index] = found.indexes
    assert (index.columns, index.unique, index.constraint, index.name) == (("handle",), True, False, None)
    assert index.where == "deleted IS NULL"


@pytest.mark.parametrize("text", ["{indexes: [{columns: [a]}, {columns: [b], where: b > 1}]}", "{not_null: [a, B]}"])
def test_a_job_that_was_stored_is_read_again(text: str):
    job = load(HEAD + f"finish: {text}\n", "job.yaml").job
    stored = json.loads(job.model_dump_json(by_alias=True, exclude={"using", "python"}))
    assert Job.model_validate(stored, by_alias=True, by_name=False) == job


def test_a_job_without_the_key_has_none():
    assert load(HEAD, "job.yaml").job.finish is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{not_null: [a, a]}", "5:24: column 'a' is named twice"),
        ("{indexes: [{columns: [a, a]}]}", "5:34: column 'a' is named twice"),
        ("{indexes: [{columns: []}]}", "5:30: 'columns' is an empty list; write a list such as [handle]"),
        ("{indexes: [{unique: true}]}", "missing key 'columns'; write it as columns: [handle]"),
        ("{indexes: [{columns: [a], constraint: true}]}", "'constraint' needs 'unique: true'"),
        (
            "{indexes: [{columns: [a], unique: true, constraint: true, where: b}]}",
            "'constraint' and 'where' cannot be combined",
        ),
        ("{indexes: [{columns: [a], unique: 'yes'}]}", "'unique' is 'yes'; allowed are true, false"),
        ("{indexes: [{columns: [a], name: i}, {columns: [b], name: i}]}", "index 'i' is defined twice"),
        ("{indexes: [{columns: [a], name: a.b}]}", "not a name of an index: 'a.b'"),
        ("{indexes: [{columns: [a], where: 'a); DROP TABLE b'}]}", "5:"),
        ("{indexed: [a]}", "unknown key 'indexed'; did you mean 'indexes'?"),
    ],
)
def test_a_mistake_is_reported_at_its_position(text: str, said: str):
    with pytest.raises(JobError) as error:
        finish(text)
    assert str(error.value).startswith("job.yaml:5:")
    assert said in str(error.value)
