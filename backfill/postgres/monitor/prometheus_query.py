"""One number from a Prometheus server, by its HTTP API (`/api/v1/query`), and why there is none."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from backfill.values.errors import BackfillError

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1_000_000


class Unanswered(BackfillError):
    """There is no number, and why."""


def read(url: str, query: str) -> float:
    """Return the query's value now, the highest of several series; raise Unanswered where there is none. Blocks."""
    asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        # The scheme was checked with the job file: http or https, nothing that opens a file.
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return value_of(json.loads(answer.read(ANSWER_BYTES_MAX)))
    except urllib.error.HTTPError as error:
        raise Unanswered(f"prometheus answers {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise Unanswered(f"prometheus cannot be asked: {getattr(error, 'reason', None) or error}") from None


def value_of(answer: Any) -> float:
    """Return the value of an answer: of a scalar, or the highest of a vector; raise Unanswered for none or NaN."""
    values: list[float] | None = None
    with suppress(ValueError, TypeError, LookupError):  # what it answers is not in our hands
        match answer:
            case {"status": "success", "data": {"resultType": "scalar", "result": [_, value]}}:
                values = [float(value)]
            case {"status": "success", "data": {"resultType": "vector", "result": series}}:
                values = [float(one["value"][1]) for one in series]
    if values is None:
        raise Unanswered("prometheus gives neither a scalar nor a vector")
    if not values:
        raise Unanswered("prometheus has no series for the query")
    if any(math.isnan(one) for one in values):
        raise Unanswered("prometheus says NaN")
    return max(values)
