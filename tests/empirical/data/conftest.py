"""A server on the loopback interface, with a tiny archive in the official layout."""

import hashlib
import io
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from bnproof.empirical.data import cifar10, remote

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def tiny_archive(images: int) -> bytes:
    """The official archive with fewer images in each file."""
    generator = np.random.default_rng(0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in (*cifar10.TRAIN_FILES, *cifar10.TEST_FILES):
            rows = generator.integers(0, 256, size=(images, cifar10.RECORD), dtype=np.uint8)
            rows[:, 0] %= 10
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.size = rows.size
            tar.addfile(member, io.BytesIO(rows.tobytes()))
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file under every path.

    Attributes
    ----------
    content
        The file.
    plan
        What happens to the next requests: an integer cuts the answer after so many bytes, a string
        is a status to refuse with.  Requests beyond the plan get what they ask for.
    ranges, announced
        Whether the server resumes, and whether it announces the length.
    seen
        Path and range of each request.
    hold
        Answers stop in the middle until this is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = tiny_archive(40)
        self.plan: list[int | str] = []
        self.ranges = self.announced = True
        self.seen: list[tuple[str, str | None]] = []
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{cifar10.ARCHIVE}"

    @property
    def file(self) -> remote.RemoteFile:
        """The file as a user's table would name it."""
        digest = hashlib.sha256(self.content).hexdigest()
        return remote.RemoteFile(self.url, len(self.content), digest)

    def handle_error(self, *_: Any) -> None:
        """A client that has gone away is no error."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.seen.append((self.path, asked))
        step = server.plan.pop(0) if server.plan else len(server.content)
        if isinstance(step, str):
            self.send_error(int(step))
            return
        content, start = server.content, 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.announced:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        answer = content[start:][:step]
        self.wfile.write(answer[: len(answer) // 2])
        self.wfile.flush()
        server.hold.wait()
        self.wfile.write(answer[len(answer) // 2 :])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, reached without any proxy."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it may have noted the proxies
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.hold.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def official(server: Server, monkeypatch: pytest.MonkeyPatch) -> remote.RemoteFile:
    """CIFAR-10 by name is the file of that server."""
    monkeypatch.setattr(cifar10, "OFFICIAL", server.file)
    return server.file
