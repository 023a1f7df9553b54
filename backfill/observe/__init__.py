"""Readers of events: what people and machines see of a job. They never touch the database.

Each sink is a package: `log` (JSON lines), `metrics` (Prometheus), `http` (one port for metrics, health checks, status
and page), `terminal` (live view and plain lines). `report` shows what was kept of a job, long after its events. What
they share is here: `status` is the state of one job, `status_fold` makes it from events, `status_json` writes it;
`notices` has one sentence for each notable event.

Imports `events` and below. Sinks do not import each other, and only `http` imports starlette and uvicorn, only
`terminal` rich, only `log` structlog, only `metrics` and `http` prometheus_client.

To add a sink: a package with a class that has `record(event)`, its name in the contract "sinks do not know each other"
of `pyproject.toml`, and its wiring in `service/app.py`. To add an event: each reader ends in `assert_never` or in a
default, and mypy names those that have to decide.
"""
