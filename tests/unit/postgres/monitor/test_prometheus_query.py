from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backfill.postgres.monitor.prometheus_query import Unanswered, read, value_of


def vector(*values: str) -> dict[str, Any]:
    series = [{"metric": {}, "value": [1.0, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


def test_of_several_series_the_highest_counts():
    assert value_of(vector("0.5", "0.75", "-1")) == 0.75


def test_a_scalar_is_a_value():
    assert value_of({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "3"]}}) == 3.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (vector(), "prometheus has no series for the query"),
        (vector("1", "NaN"), "prometheus says NaN"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "neither a scalar nor a vector"),
        ([], "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "vector", "result": [{}]}}, "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "vector", "result": "x"}}, "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "x"]}}, "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, None]}}, "neither a scalar nor a vector"),
    ],
)
def test_no_number_is_told(answer, words: str):
    with pytest.raises(Unanswered, match=words):
        value_of(answer)


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        [query] = parse_qs(asked.query)["query"]
        if asked.path != "/prom/api/v1/query" or query == "bad":
            self.send_error(400)
            return
        if query == "nonsense":
            self.wfile.write(b"what?\r\n\r\n")
            return
        body = {"html": b"<html>", "deep": b"[" * 500_000}.get(query, json.dumps(vector("7")).encode())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/prom"
        server.shutdown()
        thread.join()


def test_a_server_is_asked(url: str):
    assert read(url, 'max(cpu{role="replica"}) + 1') == 7.0


def test_what_the_server_refuses_is_told(url: str):
    with pytest.raises(Unanswered, match="prometheus answers 400 Bad Request"):
        read(url, "bad")


def test_what_is_no_prometheus_is_told(url: str):
    with pytest.raises(Unanswered, match="prometheus cannot be asked: Expecting value"):
        read(url, "html")


@pytest.mark.parametrize("query", ["nonsense", "deep"])
def test_what_is_no_answer_is_told(url: str, query: str):
    with pytest.raises(Unanswered, match="prometheus cannot be asked: "):
        read(url, query)


def test_nobody_there_is_told():
    with pytest.raises(Unanswered, match=r"prometheus cannot be asked: .*refused"):
        read("http://127.0.0.1:1", "up")
