"""Every event survives its JSON form, and nothing else is read as an event."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, get_args

import pytest

from backfill.events.event import Event, from_dict, to_dict
from backfill.events.job import PassDone
from backfill.table.estimate.time_left import TimeLeft
from backfill.throttle.decision_values import Inputs
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.wait_reason import WaitKind, WaitReason

VALUES: dict[Any, Any] = {
    "str": "words",
    "int": 7,
    "float": 0.5,
    "bool": True,
    "float | None": None,
    "int | None": 3,
    "WaitReason": WaitReason(WaitKind.LAG, "replica-a lag 12.4s > 10s"),
    "tuple[str, ...]": ("a", "b"),
    "tuple[int, ...]": (3, 2),
    "tuple[Reading, ...]": (
        Reading(measure="replica_lag_s", subject="replica-a", value=0.4, limit=10.0, unit=Unit.SECONDS, state="sync"),
        Reading(measure="dead_tuples", value=None),
    ),
    "Inputs": Inputs(
        replica="replica-a",
        lag_s=0.4,
        on_the_way_bytes=5,
        window_bytes=9.0,
        rate_bytes_s=4.0e6,
        row_wal_bytes=450.0,
        wal_rate_bytes_s=None,
        own_wal_rate_bytes_s=1.0e6,
    ),
    "str | None": "words",
    "TimeLeft | None": TimeLeft(60.0, 90.0),
}


def made(kind):
    return kind(**{field.name: VALUES[field.type] for field in fields(kind)})


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_an_event_survives_a_line_of_json(kind):
    event = made(kind)
    line = json.dumps(to_dict(event))
    assert from_dict(json.loads(line)) == event


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_names_itself_and_its_job(kind):
    told = to_dict(made(kind))
    assert (told["event"], told["job"]) == (kind.__name__, "words")


def test_an_unknown_event_is_refused():
    with pytest.raises(KeyError):
        from_dict({"event": "Nonsense", "job": "words"})


def test_an_event_with_an_unknown_field_is_refused():
    with pytest.raises(TypeError):
        from_dict({**to_dict(made(PassDone)), "more": 1})


def test_a_reason_reads_as_its_text():
    assert str(WaitReason(WaitKind.LAG, "replica-a lag 12.4s > 10s")) == "replica-a lag 12.4s > 10s"
