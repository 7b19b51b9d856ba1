"""A local HTTP server that keeps what is posted to it, as whoever is notified would."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


class Sink:
    """What was posted, as JSON, and where."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: list[Any] = []

    def texts(self) -> list[str]:
        """The text of each message, as Slack and Mattermost would show it."""
        return [str(message["text"]) for message in self.messages]


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Take messages on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            sink.messages.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink = Sink(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
