"""Serves the live page to the browsers of this machine, and to nobody else."""

from __future__ import annotations

import json
import mimetypes
import os
import socketserver
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hpmkd.analysis.report.live_page import LivePage
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import system_words
from hpmkd.log import log

LOOPBACK = "127.0.0.1"
# A page of elsewhere can have its own name point here: only under these names is anything told.
_HOSTS = (LOOPBACK, "localhost", "[::1]")
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
    "img-src 'self' data:; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'"
)


class PageServer(ThreadingHTTPServer):
    """On a free port, or on `port`; `serve_forever` serves until an exception.

    Raises:
        EnvironmentProblem: the port is taken or not allowed.
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere two servers could then share a port

    def __init__(self, page: LivePage, port: int = 0) -> None:
        self.page = page
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise EnvironmentProblem(
                f"{LOOPBACK}:{port}: the report cannot be served there",
                expected="a free port",
                found=system_words(error),
                todo="name another --port, or none: then a free one is taken",
            ) from error

    def server_bind(self) -> None:
        """Without the look-up of this host's name, which may take long and is not needed."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news."""
        log.debug(f"a request of {client_address} ended early", exc_info=True)


def open_server(root: Path, port: int = 0) -> PageServer:
    """A server for the sweep in `root`; UsageError where there is none."""
    return PageServer(LivePage(root), port)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "hpmkd", ""
    timeout = 60

    def do_GET(self) -> None:
        host = self.headers.get("Host", "")
        if (host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host) not in _HOSTS:
            self._send(b"unknown host", "text/plain", HTTPStatus.FORBIDDEN)
            return
        path, page = unquote(urlsplit(self.path).path).removeprefix("/"), self.server.page
        if path == "":
            text, nonce = page.page()
            self._send(text.encode(errors="backslashreplace"), "text/html; charset=utf-8", nonce=nonce)
        elif path == "parts":
            self._send_json(page.state())
        elif path.startswith("part/") and path.removeprefix("part/") in page.parts:
            part = page.parts[path.removeprefix("part/")]
            self._send_json({"version": part.version, "html": part.html})
        elif (data := page.file(path)) is not None:
            self._send(data, mimetypes.guess_type(path)[0] or "application/octet-stream")
        else:
            self._send(b"not found", "text/plain", HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def _send_json(self, values: Any) -> None:
        self._send(json.dumps(values).encode(), "application/json")

    def _send(self, data: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, nonce: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY.format(nonce=nonce))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)
