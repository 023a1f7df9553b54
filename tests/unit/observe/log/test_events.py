"""Events as log lines: names, fields, levels, and how often a wait is repeated."""

import io
import json
import logging
import re

import pytest
import structlog

from backfill.events.event import to_dict
from backfill.events.throttle import WaitStarted
from backfill.observe.log.events import QUIET_LASTING_S, QUIET_S, LogSink, subject
from backfill.observe.log.setup import configure
from backfill.retry.sqlstate import RETRIES_LOUD
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories


@pytest.fixture(autouse=True)
def _as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


class Lines:
    def __init__(self, level="info"):
        self.stream = io.StringIO()
        self.log = configure(self.stream, level=level)
        self.logs = LogSink(self.log)

    def tell(self, *pairs):
        for at_s, event in pairs:
            self.logs.record(event, at_s)
        return self.read()

    def read(self):
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        self.stream.seek(0)
        self.stream.truncate()
        return lines


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def every_line():
    return Lines("debug")


def brief(told_lines):
    return [(line["level"], line["event"]) for line in told_lines]


@pytest.mark.parametrize("make", [event_factories.ddl_lock_failed, event_factories.ddl_done])
def test_ddl_is_a_warning_once_it_is_loud_or_slow(every_line, make):
    change = {"loud": True} if make is event_factories.ddl_lock_failed else {"slow": True}
    assert [level for level, _ in brief(every_line.tell((0.0, make()), (1.0, make(**change))))] == ["info", "warning"]


def test_each_event_has_its_name_level_and_fields(every_line):
    told_lines = every_line.tell(*((0.0, event) for event in event_factories.one_of_each()))
    assert brief(told_lines) == [
        ("info", "lock_waiting"),
        ("info", "lock_taken"),
        ("info", "started"),
        ("info", "leaf_started"),
        ("warning", "no_replicas"),
        ("info", "sync_trigger_made"),
        ("info", "sync_trigger_removed"),
        ("info", "ddl_waiting"),
        ("info", "ddl_lock_failed"),
        ("info", "ddl_progress"),
        ("info", "ddl_done"),
        ("info", "limits_changed"),
        ("debug", "signals_read"),
        ("debug", "throttle_decision"),
        ("info", "wait_started"),
        ("info", "layout_changed"),
        ("info", "compression_changed"),
        ("debug", "batch_done"),
        ("warning", "vacuum_not_permitted"),
        ("info", "vacuum_started"),
        ("info", "vacuum_done"),
        ("info", "retry_scheduled"),
        ("warning", "batch_refused"),
        ("warning", "row_rejected"),
        ("info", "row_retried"),
        ("warning", "pass_restarted"),
        ("info", "verification_restarted"),
        ("info", "pass_done"),
        ("info", "verified"),
        ("info", "leaf_done"),
        ("warning", "leaf_removed"),
        ("info", "stopping"),
        ("info", "finished"),
    ]
    for line, event in zip(told_lines, event_factories.one_of_each(), strict=True):
        assert list(line)[:4] == ["timestamp", "level", "event", "job"]
        if not isinstance(event, WaitStarted):
            assert set(line) - {"timestamp", "level", "event"} == set(to_dict(event)) - {"event"}


def test_time_is_utc(lines):
    (line,) = lines.tell((0.0, event_factories.started()))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_a_wait_is_logged_with_kind_text_and_time(lines):
    (line,) = lines.tell((0.0, event_factories.wait_started()))
    assert list(line.items())[3:] == [
        ("job", event_factories.JOB),
        ("reason", "lag"),
        ("why", "replica-a lag 12.4s > 10s"),
        ("delay_s", 0.25),
    ]


def test_a_wait_is_logged_once_until_its_subject_changes_or_time_passes(lines):
    waits = [(at_s / 4, event_factories.wait_started(text=f"replica-a lag {at_s}s > 10s")) for at_s in range(11, 91)]
    told_lines = lines.tell(*waits)
    assert len(told_lines) == 2
    assert len(lines.tell((22.6, event_factories.wait_started(text="replica-b lag 11s > 10s")))) == 1
    assert len(lines.tell((22.7, event_factories.wait_started(WaitKind.LAG_BYTES, "replica-b lag 1GB > 256MB")))) == 1
    assert lines.tell((22.8, event_factories.wait_started(text="replica-b lag 11s > 10s"))) == []
    assert len(lines.tell((22.9, event_factories.wait_started(text="replica-b lag 11s > 10s", job="other")))) == 1


def test_a_wait_that_may_last_for_days_is_logged_every_ten_minutes_and_anew_behind_a_batch(lines):
    closed = event_factories.wait_started(WaitKind.SCHEDULE, "window closed until Mon 22:00 Europe/Berlin")
    assert len(lines.tell(*[(float(at_s), closed) for at_s in range(int(QUIET_LASTING_S) + 1)])) == 2
    behind_s = QUIET_LASTING_S + 1
    assert lines.tell((behind_s, closed)) == []
    logged = lines.tell((behind_s, event_factories.batch_done()), (behind_s, closed), (behind_s + 1, closed))
    assert [line["event"] for line in logged if line["event"] != "progress"] == ["wait_started"]


def test_two_reasons_in_turn_do_not_flood_the_log(lines):
    pairs = [
        (at_s / 10, event_factories.wait_started(text=f"replica-{'ab'[at_s % 2]} lag 11s > 10s"))
        for at_s in range(int(QUIET_S * 10))
    ]
    assert len(lines.tell(*pairs)) == 2


@pytest.mark.parametrize(
    "kind", [WaitKind.WINDOW, WaitKind.WAL_RATE, WaitKind.REST, WaitKind.LOCK, WaitKind.RETRY, WaitKind.CONNECTION]
)
def test_the_ordinary_pace_and_waits_with_their_own_event_are_debug(lines, kind):
    assert (
        lines.tell((0.0, event_factories.started()), *((0.1, event_factories.wait_started(kind)) for _ in range(5)))[1:]
        == []
    )


def test_a_million_batches_are_a_line_every_ten_seconds(lines):
    batches = [(number / 10, event_factories.batch_done(rows_total=number)) for number in range(1, 301)]
    first, *progress = lines.tell((0.0, event_factories.started()), *batches)
    assert first["event"] == "started"
    assert [line["event"] for line in progress] == ["progress"] * 3
    assert {
        name: progress[1][name] for name in ("rows_total", "rows_s", "batches", "span_s", "eta_low_s", "eta_high_s")
    } == {
        "rows_total": 200,
        "rows_s": 50_000,
        "batches": 100,
        "span_s": 10.0,
        "eta_low_s": 42,
        "eta_high_s": 42,
    }


def test_progress_shows_the_time_that_the_pace_took(lines):
    throttle_state = [(5.0, event_factories.wait_started(WaitKind.WINDOW, "window", 0.5))] * 3
    (_, line) = lines.tell(
        (0.0, event_factories.started()), *throttle_state, (10.0, event_factories.batch_done(time_left=None))
    )
    assert (line["paced_s"], line["eta_low_s"]) == (1.5, None)


def test_the_holder_of_the_lock_is_named_now_and_then(lines):
    first = "job 'j' is held by backfill pod-1 (pid 42, connected {}s)"
    waits = [(float(at_s), event_factories.lock_waiting(holder=first.format(at_s))) for at_s in range(25)]
    told_lines = lines.tell(*waits, (25.0, event_factories.lock_waiting(holder=first.replace("pod-1", "pod-2"))))
    assert [re.findall(r"pod-\d", line["holder"]) for line in told_lines] == [["pod-1"]] * 3 + [["pod-2"]]


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (event_factories.retry_scheduled(attempt=RETRIES_LOUD - 1), "info"),
        (event_factories.retry_scheduled(attempt=RETRIES_LOUD), "warning"),
        (event_factories.vacuum_done(result="stopped"), "info"),
        (event_factories.vacuum_done(result="failed"), "warning"),
        (event_factories.finished(), "info"),
        (event_factories.finished(state="stopped"), "info"),
        (event_factories.finished(state="unconverged"), "warning"),
        (event_factories.finished(state="halted"), "error"),
        (event_factories.finished(state="failed"), "error"),
    ],
)
def test_levels_that_depend(lines, event, level):
    (line,) = lines.tell((0.0, event))
    assert line["level"] == level


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("replica-a lag 12.4s > 10s", "replica-a lag"),
        ("slot standby1 retains 12GB > 10GB", "slot standby1 retains"),
        ("replicas 1 < 2 (throttle.replicas.min)", "replicas"),
        ("replication is hidden", "replication is hidden"),
        ("", ""),
    ],
)
def test_subject(text, same):
    assert subject(text) == same


SECRET = "hunter2"
DSN = f"postgresql://app:{SECRET}@h/db"


def test_no_password_in_any_field(every_line):
    every_line.tell(
        (0.0, event_factories.retry_scheduled(message=f"cannot reach {DSN}")),
        (0.0, event_factories.finished(state="failed", why=f"password={SECRET}", samples=(f"password='{SECRET}'",))),
        (0.0, event_factories.lock_waiting(holder=DSN)),
    )
    event = f"event {DSN}"
    every_line.log.info(event, nested={"deep": [DSN, {"deeper": DSN}]}, error=ValueError(DSN))
    assert SECRET not in every_line.stream.getvalue()


def lose(dsn):
    raise ConnectionError(dsn)


@pytest.mark.parametrize("console", [False, True])
def test_no_password_in_tracebacks_and_other_libraries_lines(console):
    stream = io.StringIO()
    log = configure(stream, console=console)
    try:
        lose(DSN)
    except ConnectionError:
        log.exception("lost")
        logging.getLogger("psycopg").exception("lost too, %s", DSN)
    text = stream.getvalue()
    assert text.count("ConnectionError: postgresql://app:***@h/db") == 2
    assert SECRET not in text


def test_other_libraries_speak_json_and_only_when_it_matters(lines):
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("psycopg").warning("closing %s", "connection")
    assert [(line["level"], line["event"]) for line in lines.read()] == [("warning", "closing connection")]


def test_a_person_gets_columns():
    stream = io.StringIO()
    LogSink(configure(stream, console=True)).record(event_factories.wait_started(), 0.0)
    assert "[info     ] wait_started" in stream.getvalue()
    assert "why='replica-a lag 12.4s > 10s'" in stream.getvalue()


def test_a_terminal_is_a_person():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    LogSink(configure(stream)).record(event_factories.started(), 0.0)
    assert "\x1b[" in stream.getvalue()
