"""What a run prints when it has ended is measured by the limits that held, and says nothing twice."""

from __future__ import annotations

import io

from rich.console import Console

from backfill.cli.output import _FinalTables
from backfill.observe.notices import notice_for
from backfill.observe.terminal.activity import activity_of
from backfill.observe.terminal.reduce import reduce
from backfill.observe.terminal.state import TerminalState
from tests import event_factories

STOPPED = event_factories.finished(state="stopped", why="stopped by SIGINT; the checkpoint stands, run again to go on")


def shown(*events) -> str:
    tables = _FinalTables()
    for event in events:
        tables.record(event, 0.0)
    stream = io.StringIO()
    tables.show(Console(file=stream, width=120))
    return stream.getvalue()


def test_the_budget_of_the_final_table_is_the_tuned_one():
    started, changed = event_factories.started(max_lag_s=10.0), event_factories.limits_changed(max_lag_s=5.0)
    assert "budget 10s" in shown(started, event_factories.finished())
    assert "budget 5s" in shown(started, changed, event_factories.finished())


def test_that_a_run_was_stopped_is_said_once():
    notice = notice_for(STOPPED)
    assert notice is not None
    assert notice.text == STOPPED.why
    activity = activity_of(reduce(TerminalState(began_s=0.0), STOPPED, 1.0), 1.0)
    assert f"{activity.word} {activity.text}" == STOPPED.why
    assert shown(event_factories.started(), STOPPED).count("stopped") == 1
