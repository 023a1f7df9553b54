"""The Grafana dashboard, as a program: `python -m grafana.build` writes backfill.json beside this file.

Grafana 10 or later, PromQL of Prometheus 2.42. Metric names are those of backfill/observe/metrics/table.py, and a test
compares them. Each row of panels answers one question.
"""
# ruff: noqa: INP001 - not part of the package

from __future__ import annotations

import json
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
    """Return: does it work, how far is it, who holds the lock."""
    state = Panel(
        "stat",
        "State",
        "What each job's worker does now. Halted: a person must look; /status.json and the log say why.",
        "none",
        [Target(f"{worst('job_state', 'job, state')} == 1", "{{job}}: {{state}}", instant=True)],
        6,
        options=reduced(colorMode="none", graphMode="none", textMode="name"),
    )
    progress = Panel(
        "bargauge",
        "Progress",
        "How far the pass is through the table, or through all partitions. Later passes find moved rows.",
        "percentunit",
        [Target(worst("progress_ratio", "job"), instant=True)],
        6,
        {"min": 0, "max": 1, "color": {"mode": "fixed", "fixedColor": "blue"}},
        options=reduced(orientation="horizontal", displayMode="basic", showUnfilled=True),
    )
    left = f"max by (job) (backfill_leaves{JOB} - backfill_leaves_done{JOB})"
    held = f"sum by (job) (backfill_lock_held{JOB})"
    return [
        state,
        progress,
        last("Time left", "To the end, at the present speed.", "s", worst("eta_seconds", "job"), width=3),
        last("Pass", "The pass over the table, from 1.", "none", worst("pass", "job"), width=3),
        last("Partitions left", "Partitions and children that are to do.", "none", left, width=3),
        last("Lock holders", "Workers with the job's lock: 0 or 1.", "none", held, width=3, bad_from=2),
    ]


def lag() -> Row:
    """Return: does it hurt the replicas."""
    both = [("seconds", "max_lag", "Replica lag", "s"), ("bytes", "max_lag_bytes", "Replica lag in WAL", "bytes")]
    return [
        lines(
            title,
            f"What each replica has not replayed yet, against {limit}. A gap: unreadable, or gone.",
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
    """Return: what is spent, and what may be."""
    rates = [Target(worst("wal_rate_bytes", "job, source"), "{{source}} ({{job}})")]
    window = [Target(worst("wal_budget_bytes", "job"))]
    per_row = [Target(f"{rate('batch_wal_bytes_sum', 'job')} / {rate('batch_rows_sum', 'job')}")]
    compressed = [Target(worst("wal_compression", "job"))]
    everyone = "WAL a second: the whole cluster's (all) and the backfill's (own)."
    return [
        lines("WAL rate", everyone, "binBps", rates, width=8),
        lines("WAL window", "Our WAL that may be on its way to the replicas at once.", "bytes", window, width=6),
        lines("WAL per row", "It jumps after a checkpoint: full-page images.", "bytes", per_row, width=6),
        lines("Compression", "1 while our full-page images are compressed.", "none", compressed, width=4),
    ]


def speed() -> Row:
    """Return: how fast is it."""
    rows = [Target(rate("rows_updated_total", "job"))]
    batches = [Target(rate("batches_total", "job"))]
    took = quantiles("batch_duration_seconds")
    return [
        lines("Rows a second", "Rows updated and committed.", "short", rows, width=6),
        lines("Rows of a batch", "Set by target_time and the throttle.", "short", quantiles("batch_rows"), width=6),
        lines("Time of a batch", "With its commit; target_time is the aim.", "s", took, width=6),
        lines("Batches a second", "Batches committed.", "ops", batches, width=6),
    ]


def why() -> Row:
    """Return: what does it wait for."""
    waits = [Target(rate("wait_seconds_total", "job, reason"), "{{reason}} ({{job}})")]
    held_back = "Share of time held back, by reason. window, wal_rate and rest are the ordinary pace."
    retries = [
        Target(rate("retries_total", "job, reason"), "{{reason}} ({{job}})"),
        Target(worst("failures_in_a_row", "job"), "failures in a row ({{job}})"),
    ]
    states = Panel(
        "state-timeline",
        "State over time",
        "One line for each state that a job was in.",
        "none",
        [Target(f"{worst('job_state', 'job, state')} == 1", "{{job}}: {{state}}")],
        8,
        options={"showValue": "never", "mergeValues": True, "legend": {"showLegend": False}},
    )
    return [
        lines("Waits", held_back, "percentunit", waits, width=10, stacked=True),
        lines("Retries", "Failed and tried again, a second; and how many in a row.", "none", retries, width=6),
        states,
    ]


def disk() -> Row:
    """Return: what else can it hurt."""
    missing = [Target(worst("replicas_missing", "job"))]
    slots = [Target(worst("slot_retained_bytes", "job, slot"), "{{slot}} ({{job}})")]
    archive = [Target(worst("archive_backlog_bytes", "job"))]
    failing = Target(worst("archive_failing", "job"), "last try failed ({{job}})")
    unseen = "Replicas that we count on and do not see. Work waits for them."
    consumers = [Target(worst("slot_lag_bytes", "job, slot"), "{{slot}} ({{job}})")]
    archived = "WAL not archived yet, and 1 while the last try failed; no archiver, no series."
    return [
        lines("Replicas missing", unseen, "none", missing, width=6),
        lines("WAL kept by slots", "On the primary's disk, by replication slot.", "bytes", slots, width=6),
        lines("Lag of logical slots", "What their consumers have yet to confirm.", "bytes", consumers, width=6),
        lines("Archive backlog", archived, "bytes", [*archive, failing], width=6),
    ]


def others() -> Row:
    """Return: what does it do to the sessions and the table beside it."""
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
    old = "Age of the oldest transaction with a snapshot: while it lives, no row version that it sees can go."
    return [
        lines("Blocked sessions", "Waited for the locks of the last batch.", "none", blocked, width=5),
        lines("Dead tuples", "Of the table, as the server estimates.", "short", dead, width=4),
        lines("Oldest snapshot", old, "s", snapshot, width=5),
        lines("Probes", "Your own signals, each against its limit.", "none", probes, width=5),
        lines("Other signals", "Such as active sessions, each against its limit.", "none", signals, width=5),
    ]


def quality() -> Row:
    """Return: is the work good."""
    hot = [Target(worst("hot_update_ratio", "job"))]
    left = [
        Target(worst("rows_unconverged", "job"), "do not converge ({{job}})"),
        Target(worst("rows_rejected", "job"), "refused ({{job}})"),
    ]
    vacuums = [
        Target(worst("vacuum_running", "job"), "runs ({{job}})"),
        Target(rate("vacuums_total", "job, result"), "{{result}} a second ({{job}})"),
    ]
    untouched = "Share of updates that touched no index. Low: the table grows."
    vacuumed = "1 while our vacuum runs; vacuums ended per second, by result."
    return [
        lines("HOT updates", untouched, "percentunit", hot, width=6, most=1),
        lines("Vacuums", vacuumed, "none", vacuums, width=6),
        lines("Rows left over", "Still matching `where`: updated in vain, or rejected.", "short", left, width=6),
        lines("WAL of a batch", "What one batch wrote.", "bytes", quantiles("batch_wal_bytes"), width=6),
    ]


def placed(rows: list[tuple[int, Row]]) -> list[Json]:
    """Return the panels of rows of (height, panels), numbered and side by side."""
    y = 0
    panels: list[Json] = []
    for height, row in rows:
        x = 0
        for one in row:
            panels.append(one.to_json(len(panels) + 1, {"x": x, "y": y, "w": one.width, "h": height}))
            x += one.width
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
        "description": "Columns being filled, and what it costs the replicas. Scrape with honor_labels: true.",
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
