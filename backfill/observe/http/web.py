"""The HTTP side of a worker: metrics, probes, status and a page that shows it. Read-only, on one port.

    /metrics      Prometheus or OpenMetrics text, as the client asks
    /healthz      200 while every unfinished job records events or verifies, otherwise 503 and the job's name
    /readyz       200 once the database has answered: a worker that waits for the lock is ready
    /status.json  the state of all jobs
    /             the same for a person

The probes answer to any Host; what can be read is for a Host that no stranger owns. Importing this costs what starlette
and uvicorn cost: only a process that serves does.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from importlib.resources import files

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from backfill.observe.http.host_check import is_trusted
from backfill.observe.job_statuses import JobStatuses

METRICS, HEALTH, READY, STATUS, PAGE = "/metrics", "/healthz", "/readyz", "/status.json", "/"

_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def build_app(
    statuses: JobStatuses,
    registry: CollectorRegistry,
    *,
    clock: Callable[[], float],
    silence_max_s: float,
    own_names: frozenset[str] = frozenset(),
) -> Starlette:
    """Return the application.

    Args:
        statuses: The state of all jobs.
        registry: The metrics.
        clock: The clock that stamps the events.
        silence_max_s: How long an unfinished job may record nothing before the process counts as hung; longer for a
            job with long statements (`JobStatuses.silent`). Verification is exempt.
        own_names: Names of this machine, in lower case, that a Host may also have, like addresses and private names.
    """
    html = files("backfill.observe.http").joinpath("page.html").read_text(encoding="utf-8")
    policy = {"content-security-policy": _policy(html)}

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers=_HEADERS | {"content-type": content_type})

    async def health(_request: Request) -> Response:
        silent = statuses.silent(clock(), silence_max_s)
        return PlainTextResponse(silent or "ok", 503 if silent else 200, _HEADERS)

    async def ready(_request: Request) -> Response:
        text = "ok" if statuses.ready else "no job knows yet whether its lock is free"
        return PlainTextResponse(text, 200 if statuses.ready else 503, _HEADERS)

    async def status(_request: Request) -> Response:
        return JSONResponse(statuses.to_dict(clock()), headers=_HEADERS)

    async def page(_request: Request) -> Response:
        return HTMLResponse(html, headers=_HEADERS | policy)

    pairs = ((METRICS, metrics), (HEALTH, health), (READY, ready), (STATUS, status), (PAGE, page))
    routes = [Route(path, endpoint) for path, endpoint in pairs]
    app = Starlette(routes=routes, middleware=[Middleware(_HostCheck, own_names=own_names)])
    app.router.redirect_slashes = False  # a redirect would repeat whatever Host it was sent
    return app


class _HostCheck:
    """Refuses requests in the name of a stranger, except to the probes."""

    def __init__(self, app: ASGIApp, own_names: frozenset[str]) -> None:
        self._app = app
        self._own_names = own_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        trusted = len(hosts) < 2 and is_trusted(hosts[0] if hosts else None, self._own_names)
        if trusted or scope["path"] in (HEALTH, READY):
            await self._app(scope, receive, send)
        else:
            text = "unknown Host; use this machine's address, localhost or its name"
            await PlainTextResponse(text, 421, _HEADERS)(scope, receive, send)


def _policy(html: str) -> str:
    # Hashes, not 'unsafe-inline': the page may run its own script and style and nothing that slipped into it.
    hashes = {
        tag: base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        for tag, body in re.findall(r"<(script|style)>(.*?)</\1>", html, re.DOTALL)
    }
    return (
        f"default-src 'none'; connect-src 'self'; script-src 'sha256-{hashes['script']}'; "
        f"style-src 'sha256-{hashes['style']}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
