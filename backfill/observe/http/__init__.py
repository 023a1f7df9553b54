"""Metrics, probes and status over HTTP: `web` answers, `server` bounds what strangers send, `host_check` whom we trust.

The only package with starlette and uvicorn. It reads `job_statuses` and a Prometheus registry, and never the database.

Imports `observe`'s job statuses. To add a page or an endpoint: a route in `web`, with its test in
`tests/unit/observe/http`; what it shows comes from the statuses, so that it is the same everywhere.
"""
