"""What we show must work: every job of jobs/ loads, says which schema it has, and the schema is the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from backfill.jobfile.json_schema import job_schema, schema_text
from backfill.jobfile.load import load
from backfill.values.errors import JobError

JOBS = Path(__file__).parents[3] / "jobs"
FILES = sorted(JOBS.rglob("*.yaml"))
WRITE_IT = (
    """write it anew: python -c 'from backfill.jobfile.json_schema import schema_text; print(schema_text(), end="")'"""
)
SCHEMA = JOBS / "job.schema.json"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_worked_job(path: Path):
    text = text_of(path)
    file = load(text, path.name)
    assert file.job.name == path.stem or path.stem == "handle"
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert found
    assert (path.parent / found[1]).resolve() == SCHEMA.resolve()


def test_there_are_worked_jobs_and_their_names_differ():
    names = [load(text_of(path), path.name).job.name for path in FILES]
    assert len(set(names)) == len(names) >= 5


def test_the_schema_file_is_the_code_s():
    assert text_of(SCHEMA) == schema_text(), WRITE_IT


def test_every_key_of_the_schema_is_described():
    schema = job_schema()
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        for key, value in part["properties"].items():
            assert value.get("description") or "$ref" in value, key


ACCEPTED = [
    "",
    "lanes: 1",
    "vacuum: 'off'",
    "vacuum: auto",
    "sync: none",
    "sync: trigger",
    "window: mon-fri 22:00-06:00 Europe/Berlin",
    "window: ['sat , sun 0:00 - 24:00 UTC', 22:00-06:00 UTC]",
    "window: []",
    "after: [b, c]",
    "priority: -5",
    "on_row_error: fail",
    "on_row_error: skip",
    "max_rejected: 1",
    "synchronous_commit: 'off'",
    "using: {table: u, 'on': v}",
    "using: {table: shop.u, as: w, 'on': w.id = 1}",
    "batch: {rows: 500, stripes: 1}",
    "finish: {not_null: [x], indexes: [{columns: [x, y], unique: true, name: z, constraint: true}]}",
    "finish: {indexes: [{columns: [x], where: y IS NULL}]}",
    "python: {function: 'm:f', inputs: [x]}",
    "python: {function: a.b_1:c, inputs: [x, y]}",
    "throttle: {max_lag: 1m30s, max_lag_bytes: 1.5 GB, max_wal_rate: 16kB/s}",
    "throttle: {replicas: {require: [a], ignore: ['dr-*'], min: 2}}",
]
REJECTED = [
    "window: nights",
    "window: mon-fri 22:00-06:00",
    "window: {days: mon}",
    "after: b",
    "priority: high",
    "tabel: t",
    "window: x",
    "finish: {not_null: x}",
    "finish: {indexes: [{unique: true}]}",
    "lanes: 17",
    "vacuum: full",
    "sync: always",
    "on_row_error: ignore",
    "max_rejected: 0",
    "batch: 5",
    "batch:",
    "batch: {rows: '5000'}",
    "batch: {rows: 0}",
    "batch: {rows: 1000001}",
    "batch: {rows: 1.5}",
    "batch: {stripes: 13}",
    "batch: {target_time: 250}",
    "batch: {target_time: 250 ms}",
    "throttle: {max_lag: 10}",
    "throttle: {max_lag: 30s1m}",
    "throttle: {max_lag_bytes: 256mb}",
    "throttle: {max_wal_rate: 32MB}",
    "throttle: {max_blocked_sessions: -1}",
    "throttle: {probes: [a]}",
    "throttle: {probes: [{name: a, sql: x}]}",
    "throttle: {replicas: {require: a}}",
    "throttle: {replicas: {require: [1]}}",
    "throttle: {replicas: {require: ['']}}",
    "throttle: {replicas: {min: -1}}",
    "synchronous_commit: maybe",
    "using: u",
    "using:",
    "using: {table: u}",
    "using: {'on': v}",
    "using: {table: u, as: 1, 'on': v}",
    "using: {table: u, 'on': [v]}",
    "using: {table: u, 'on': v, kind: left}",
    "lock_timeout: 1",
    "python: 'm:f'",
    "python: {function: 'm:f'}",
    "python: {inputs: [x]}",
    "python: {function: 'm:f', inputs: []}",
    "python: {function: 'm:f', inputs: x}",
    "python: {function: 'm:f', inputs: [1]}",
    "python: {function: m.f, inputs: [x]}",
    "python: {function: 'm:f()', inputs: [x]}",
]
EXPRESSIONS = ["y", "true", "0", "NULL", "1.5", "'y'"]
NO_EXPRESSIONS = ["[y]", "{y: z}"]


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        *((f"name: a\ntable: t\nset: {{x: python}}\nwhere: z\n{added}\n", True) for added in ACCEPTED),
        *((f"name: a\ntable: t\nset: {{x: y}}\nwhere: z\n{added}\n", False) for added in REJECTED),
        *((f"name: a\ntable: t\nset: {{x: {one}}}\nwhere: {one}\n", True) for one in EXPRESSIONS),
        *((f"name: a\ntable: t\nset: {{x: {one}}}\nwhere: y\n", False) for one in NO_EXPRESSIONS),
        ("name: A\ntable: t\nset: {x: y}\nwhere: z\n", False),
        ("name: 2024\ntable: t\nset: {x: y}\nwhere: z\n", False),
        ("name: a\ntable: t\nset: {}\nwhere: z\n", False),
        ("name: a\ntable: t\nset: {x: y}\n", False),
        ("name: a\n", False),
        ("[]", False),
    ],
)
def test_an_editor_and_the_loader_agree(text: str, sound: bool):
    jsonschema = pytest.importorskip("jsonschema")  # comes with kubernetes-validate
    jsonschema.Draft202012Validator.check_schema(job_schema())
    validator = jsonschema.Draft202012Validator(job_schema())
    assert validator.is_valid(yaml.safe_load(text)) is sound
    try:
        load(text, "job.yaml")
    except JobError:
        assert not sound
    else:
        assert sound
