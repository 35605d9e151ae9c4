"""An S3 server on this machine that can be told to fail: moto's, behind a layer that injects faults."""

from __future__ import annotations

import io
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BUCKET = "sweeps"
Fault = Callable[[str, str], "str | None"]  # of a request's method and path: which fault
_STALL_SECONDS = 6.0  # longer than clients wait for an answer in tests


class S3Server:
    """It; `uri` names a folder in its bucket, `fault` says what goes wrong with a request."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.fault: Fault = lambda method, path: None
        self.asked: Counter[str] = Counter()
        self.over = threading.Event()
        self._inner = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        """With an empty bucket."""
        import boto3
        from moto.moto_api._internal.models import moto_api_backend

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line per request
        moto_api_backend.reset()  # what an earlier server of this process held
        self._thread.start()
        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.client.create_bucket(Bucket=BUCKET)

    def stop(self) -> None:
        """With all that it holds."""
        self.over.set()
        self.client.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def uri(self, folder: str = "run7") -> str:
        """Of a folder there, as a user writes it."""
        place = f"endpoint_override=127.0.0.1:{self._server.server_port}"
        return f"s3://{BUCKET}/{folder}?scheme=http&region=us-east-1&{place}"

    def names(self, folder: str = "run7") -> list[str]:
        """What lies below a folder."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{folder}/")
        found = [one["Key"].removeprefix(f"{folder}/") for page in pages for one in page.get("Contents", [])]
        return [name for name in found if not name.endswith("/")]  # a folder that pyarrow has made of what it emptied

    def content(self, name: str, folder: str = "run7") -> bytes:
        """Of one object."""
        return bytes(self.client.get_object(Bucket=BUCKET, Key=f"{folder}/{name}")["Body"].read())

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        fault = self.fault(method, path)
        self.asked[fault or "well"] += 1
        if fault == "stall":
            self.over.wait(_STALL_SECONDS)
            fault = "500"
        if fault in ("500", "403"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            name = {"500": "InternalError", "403": "AccessDenied"}[fault]
            text = f"<Error><Code>{name}</Code><Message>injected, {len(body)} bytes</Message></Error>".encode()
            status = {"500": "500 Internal Server Error", "403": "403 Forbidden"}[fault]
            start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
            return [text] if method != "HEAD" else []
        if fault == "torn":  # half of it arrives, and the server is content
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            half = body[: len(body) // 2]
            environ.update({"wsgi.input": io.BytesIO(half), "CONTENT_LENGTH": str(len(half))})
            for name in [one for one in environ if "CHECKSUM" in one or one.endswith("MD5")]:
                del environ[name]
        return list(self._inner(environ, start_response))


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server, ended with the body; this process has credentials for it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("hpmkd.mirror.remote._SILENT_SECONDS", 1.0)
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def every(number: int, fault: str, methods: str = "PUT GET HEAD POST") -> Fault:
    """Each n-th request of these kinds fails."""
    seen: Counter[str] = Counter()

    def decide(method: str, path: str) -> str | None:
        if method not in methods.split():
            return None
        seen["all"] += 1
        return fault if seen["all"] % number == 0 else None

    return decide


def sometimes(probability: float, fault: str, methods: str = "PUT GET HEAD POST", seed: int = 1) -> Fault:
    """By chance."""
    chance = random.Random(seed)
    return lambda method, path: fault if method in methods.split() and chance.random() < probability else None


def for_a_while(seconds: float, fault: str, methods: str = "PUT GET HEAD POST DELETE") -> Fault:
    """All of them fail from now on, for so long."""
    end = time.monotonic() + seconds
    return lambda method, path: fault if method in methods.split() and time.monotonic() < end else None
