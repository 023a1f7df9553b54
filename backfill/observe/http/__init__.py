"""Metrics, probes and status over HTTP: `web` answers, `server` bounds what strangers send, `host_check` whom we trust.

The only package with starlette and uvicorn. It reads `job_statuses` and a Prometheus registry, and never the database.
"""
