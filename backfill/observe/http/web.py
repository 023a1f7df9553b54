"""The HTTP side of a worker: metrics, probes, status and a page that shows it. Read-only, on one port.

    /metrics      Prometheus or OpenMetrics text, as the client asks
    /healthz      200 while every unfinished job tells something now and then or verifies, else 503 and which job
    /readyz       200 from when the database answered: a standby that waits for the lock is ready
    /status.json  the board
    /             the board for a person

Importing this costs what starlette and uvicorn cost: only the composition root does, when it serves.
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
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from backfill.observe.job_statuses import JobStatuses

METRICS, HEALTH, READY, STATUS, PAGE = "/metrics", "/healthz", "/readyz", "/status.json", "/"

_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def build_app(
    board: JobStatuses, registry: CollectorRegistry, *, clock: Callable[[], float], silence_max_s: float
) -> Starlette:
    """Return the application.

    Args:
        board: What is told.
        registry: The metrics.
        clock: The clock that stamps the board's events.
        silence_max_s: How long an unfinished job may tell nothing before the process counts as hung; more
            for a job with long statements (`Board.silent`). Verifying is excused.
    """
    html = files("backfill.observe.http").joinpath("page.html").read_text(encoding="utf-8")
    policy = {"content-security-policy": _policy(html)}

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers=_HEADERS | {"content-type": content_type})

    async def health(_request: Request) -> Response:
        silent = board.silent(clock(), silence_max_s)
        return PlainTextResponse(silent or "ok", 503 if silent else 200, _HEADERS)

    async def ready(_request: Request) -> Response:
        text = "ok" if board.ready else "no job knows yet whether its lock is free"
        return PlainTextResponse(text, 200 if board.ready else 503, _HEADERS)

    async def status(_request: Request) -> Response:
        return JSONResponse(board.to_dict(clock()), headers=_HEADERS)

    async def page(_request: Request) -> Response:
        return HTMLResponse(html, headers=_HEADERS | policy)

    pairs = ((METRICS, metrics), (HEALTH, health), (READY, ready), (STATUS, status), (PAGE, page))
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in pairs])


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
