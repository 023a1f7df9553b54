"""The Grafana dashboard, as a program: `python -m grafana.build` writes backfill.json beside this file.

Grafana 10 or later, PromQL of Prometheus 2.42. Metric names are those of backfill/observe/metrics/table.py, and a test
compares them. Each row of panels answers one question.
"""
# ruff: noqa: INP001 - not part of the package

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from grafana.panels import (
    BUDGET,
    JOB,
    SOURCE,
    Json,
    Panel,
    Target,
    last,
    lines,
    quantiles,
    rate,
    reduced,
    worst,
)

Row = list[Panel]


def at_a_glance() -> Row:
    """Return the first row: does it work, how far is it, who holds the lock."""
    state = Panel(
        "stat",
        "State",
        "What the worker of each job does now. Halted: manual intervention required; see /status.json and the log.",
        "none",
        [Target(f"{worst('job_state', 'job, state')} == 1", "{{job}}: {{state}}", instant=True)],
        6,
        options=reduced(colorMode="none", graphMode="none", textMode="name"),
    )
    progress = Panel(
        "bargauge",
        "Progress",
        "Matching rows that are filled, of those of all partitions, by a count of sampled pages when the run began.",
        "percentunit",
        [Target(worst("progress_ratio", "job"), instant=True)],
        6,
        {"min": 0, "max": 1, "color": {"mode": "fixed", "fixedColor": "blue"}},
        options=reduced(orientation="horizontal", displayMode="basic", showUnfilled=True),
    )
    time_left = replace(
        last("Time left", "Until all rows are filled: one figure while the pace is steady.", "s", "", width=3),
        targets=[
            Target(worst(f"eta_{bound}_seconds", "job"), legend, instant=True)
            for bound, legend in (("low", "{{job}} at least"), ("high", "{{job}} at most"))
        ],
    )
    left = f"max by (job) (backfill_leaves{JOB} - backfill_leaves_done{JOB})"
    held = f"sum by (job) (backfill_lock_held{JOB})"
    return [
        state,
        progress,
        time_left,
        last("Pass", "Number of the current pass over the table, from 1.", "none", worst("pass", "job"), width=3),
        last("Partitions left", "Partitions and child tables that are not done yet.", "none", left, width=3),
        last("Lock holders", "Workers that hold the job's lock: 0 or 1.", "none", held, width=3, bad_from=2),
    ]


def lag() -> Row:
    """Return the row: does it hurt the replicas."""
    both = [("seconds", "max_lag", "Replica lag", "s"), ("bytes", "max_lag_bytes", "Replica lag in WAL", "bytes")]
    return [
        lines(
            title,
            f"What each replica has not replayed yet, with its limit {limit}. A gap: unknown, or gone.",
            unit,
            [
                Target(worst(f"replica_lag_{of}", "job, replica"), "{{replica}} ({{job}})"),
                Target(worst(f"lag_budget_{of}", "job"), f"{BUDGET} ({{{{job}}}})"),
            ],
            width=12,
        )
        for of, limit, title, unit in both
    ]


def wal() -> Row:
    """Return the row: how much WAL it writes, and how much it may."""
    rates = [Target(worst("wal_rate_bytes", "job, source"), "{{source}} ({{job}})")]
    window = [Target(worst("wal_budget_bytes", "job"))]
    per_row = [Target(f"{rate('batch_wal_bytes_sum', 'job')} / {rate('batch_rows_sum', 'job')}")]
    compressed = [Target(worst("wal_compression", "job"))]
    everyone = "WAL per second: of the whole cluster (all) and of the job (own)."
    return [
        lines("WAL rate", everyone, "binBps", rates, width=8),
        lines("WAL window", "WAL of the job that may be in flight to the replicas at once.", "bytes", window, width=6),
        lines("WAL per row", "It rises after a checkpoint: full-page images.", "bytes", per_row, width=6),
        lines("Compression", "1 while full-page images of the job are compressed.", "none", compressed, width=4),
    ]


def speed() -> Row:
    """Return the row: how fast is it."""
    rows = [Target(rate("rows_updated_total", "job"))]
    batches = [Target(rate("batches_total", "job"))]
    took = quantiles("batch_duration_seconds")
    return [
        lines("Rows per second", "Rows updated and committed.", "short", rows, width=6),
        lines("Rows per batch", "Adapted to target_time and the throttle.", "short", quantiles("batch_rows"), width=6),
        lines("Batch duration", "With its commit; the goal is target_time.", "s", took, width=6),
        lines("Batches per second", "Batches committed.", "ops", batches, width=6),
    ]


def why() -> Row:
    """Return the row: what does it wait for."""
    waits = [Target(rate("wait_seconds_total", "job, reason"), "{{reason}} ({{job}})")]
    held_back = "Share of time held back, by reason. The ordinary pace is window, wal_rate and rest."
    slow = [Target(rate("ddl_slow_total", "job"))]
    retries = [
        Target(rate("retries_total", "job, reason"), "{{reason}} ({{job}})"),
        Target(worst("failures_in_a_row", "job"), "failures in a row ({{job}})"),
    ]
    states = Panel(
        "state-timeline",
        "State over time",
        "The states of each job over time.",
        "none",
        [Target(f"{worst('job_state', 'job, state')} == 1", "{{job}}: {{state}}")],
        6,
        options={"showValue": "never", "mergeValues": True, "legend": {"showLegend": False}},
    )
    return [
        lines("Waits", held_back, "percentunit", waits, width=9, stacked=True),
        lines("Retries", "Failed and repeated attempts per second, and failures in a row.", "none", retries, width=6),
        lines("Slow DDL", "Statements of the job's DDL per second that took longer than 30 s.", "ops", slow, width=3),
        states,
    ]


def disk() -> Row:
    """Return the row: what else can it hurt."""
    missing = [Target(worst("replicas_missing", "job"))]
    slots = [Target(worst("slot_retained_bytes", "job, slot"), "{{slot}} ({{job}})")]
    archive = [Target(worst("archive_backlog_bytes", "job"))]
    failing = Target(worst("archive_failing", "job"), "last attempt failed ({{job}})")
    unseen = "Replicas that the job expects and cannot see. It waits for them."
    consumers = [Target(worst("slot_lag_bytes", "job, slot"), "{{slot}} ({{job}})")]
    archived = "WAL not archived yet, and 1 if the last attempt failed. Empty without an archiver."
    return [
        lines("Replicas missing", unseen, "none", missing, width=6),
        lines("WAL retained by slots", "On the primary's disk, by replication slot.", "bytes", slots, width=6),
        lines("Lag of logical slots", "WAL that their consumers have not confirmed yet.", "bytes", consumers, width=6),
        lines("Archive backlog", archived, "bytes", [*archive, failing], width=6),
    ]


def others() -> Row:
    """Return the row: what does it do to other sessions and to the table."""
    blocked = [Target(worst("blocked_sessions", "job"))]
    dead = [Target(worst("dead_tuples", "job"))]
    snapshot = [Target(worst("oldest_snapshot_seconds", "job"))]
    probes = [
        Target(worst("probe_value", "job, probe"), "{{probe}} ({{job}})"),
        Target(worst("probe_limit", "job, probe"), f"{BUDGET} {{{{probe}}}} ({{{{job}}}})"),
    ]
    signals = [
        Target(worst("signal_value", "job, signal, subject"), "{{signal}} {{subject}} ({{job}})"),
        Target(worst("signal_limit", "job, signal, subject"), f"{BUDGET} {{{{signal}}}} {{{{subject}}}} ({{{{job}}}})"),
    ]
    old = "Age of the oldest transaction with a snapshot: while it runs, row versions that it sees cannot be removed."
    return [
        lines("Blocked sessions", "Sessions that waited for locks of the last batch.", "none", blocked, width=5),
        lines("Dead tuples", "Dead tuples of the table, as the server estimates.", "short", dead, width=4),
        lines("Oldest snapshot", old, "s", snapshot, width=5),
        lines("Probes", "Your own signals, each against its limit.", "none", probes, width=5),
        lines("Other signals", "Such as active sessions, each against its limit.", "none", signals, width=5),
    ]


def quality() -> Row:
    """Return the row: is the work good."""
    hot = [Target(worst("hot_update_ratio", "job"))]
    left = [
        Target(worst("rows_unconverged", "job"), "unconverged ({{job}})"),
        Target(worst("rows_rejected", "job"), "rejected ({{job}})"),
    ]
    vacuums = [
        Target(worst("vacuum_running", "job"), "running ({{job}})"),
        Target(rate("vacuums_total", "job, result"), "{{result}} per second ({{job}})"),
    ]
    untouched = "Share of updates that changed no index. If it is low, the table grows."
    vacuumed = "1 while our vacuum runs; vacuums ended per second, by result."
    return [
        lines("HOT updates", untouched, "percentunit", hot, width=6, most=1),
        lines("Vacuums", vacuumed, "none", vacuums, width=6),
        lines(
            "Rows left", "Rows that still match `where` after their update, and rejected rows.", "short", left, width=6
        ),
        lines("WAL per batch", "WAL written by one batch.", "bytes", quantiles("batch_wal_bytes"), width=6),
    ]


def placed(rows: list[tuple[int, Row]]) -> list[Json]:
    """Return the panels of rows of (height, panels), numbered and side by side."""
    y = 0
    panels: list[Json] = []
    for height, row in rows:
        x = 0
        for panel in row:
            panels.append(panel.to_json(len(panels) + 1, {"x": x, "y": y, "w": panel.width, "h": height}))
            x += panel.width
        y += height
    return panels


def dashboard() -> Json:
    """Return the dashboard."""
    query = "label_values(backfill_job_state, job)"
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    job = {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "job"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
    rows = [(5, at_a_glance()), (9, lag())]
    rows += [(8, row) for row in (wal(), speed(), why(), disk(), others(), quality())]
    return {
        "uid": "backfill",
        "title": "backfill",
        "description": "Jobs of backfill, and what they cost the replicas. Scrape with honor_labels: true.",
        "tags": ["backfill", "postgresql"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {"list": [source, job]},
        "annotations": {"list": []},
        "links": [],
        "panels": placed(rows),
    }


def text() -> str:
    """Return the file's content."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("backfill.json").write_text(text(), encoding="utf-8")
