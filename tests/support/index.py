"""A package index on loopback (PEP 503), with faults at will."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import sys
import tarfile
import threading
import zipfile
from email.parser import Parser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    import socket
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

Fault = Literal["404", "500", "hang", "cut", "lie"]
"""`cut` sends half the body; `lie` sends other bytes than the hash says."""


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes = b""
    kind: str = "application/octet-stream"


class Index:
    """An index that serves what lies in a folder at the time it is asked.

    With `user`, whoever does not give the credentials gets 401. With `metadata`,
    it serves the metadata of wheels apart from them (PEP 658).
    """

    def __init__(
        self, folder: Path, *, user: str = "", password: str = "", metadata: bool = False
    ) -> None:
        self.folder = folder
        self.metadata = metadata
        self._credentials = f"{user}:{password}" if user else ""
        self._requests: list[str] = []
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """What `--index-url` wants, without credentials."""
        return f"http://{self.host}/simple/"

    @property
    def url_with_credentials(self) -> str:
        """The same, with `user:password@`."""
        return f"http://{self._credentials}@{self.host}/simple/"

    @property
    def requests(self) -> list[str]:
        """The paths that were asked for so far, in order."""
        with self._lock:
            return list(self._requests)

    def file_url(self, name: str) -> str:
        """Return the direct URL of a file, for `name @ URL`."""
        return f"http://{self.host}/files/{quote(name)}"

    def set_fault(self, target: str, fault: Fault | None) -> None:
        """Spoil a file, or a project (its page and all its files); None heals it."""
        with self._lock:
            if fault is None:
                self._faults.pop(target, None)
            else:
                self._faults[target] = fault

    def answer(self, path: str, authorization: str) -> tuple[_Answer, Fault | None]:
        """Return what to send for a path, and the fault to send it with."""
        with self._lock:
            self._requests.append(path)
        wanted = "Basic " + base64.b64encode(self._credentials.encode()).decode()
        if self._credentials and authorization != wanted:
            return _Answer(HTTPStatus.UNAUTHORIZED), None
        door, _, rest = unquote(path.partition("?")[0]).lstrip("/").partition("/")
        name = rest.rstrip("/")
        if door == "simple" and not name:
            return self._page(
                sorted({_project(p.name): f"{_project(p.name)}/" for p in self._files()}.items())
            ), None
        if door == "simple":
            return self._project_page(name), self._fault(name)
        if door == "files":
            return self._file(name), self._fault(name, _project(name))
        return _Answer(HTTPStatus.NOT_FOUND), None

    def wait_for_close(self) -> None:
        """Wait until this index closes."""
        self._closing.wait()

    def _fault(self, *targets: str) -> Fault | None:
        with self._lock:
            return next((self._faults[t] for t in targets if t in self._faults), None)

    def _files(self) -> list[Path]:
        return sorted(p for p in self.folder.iterdir() if p.name.endswith((".whl", ".tar.gz")))

    def _project_page(self, name: str) -> _Answer:
        files = [path for path in self._files() if _project(path.name) == name]
        if not files:
            return _Answer(HTTPStatus.NOT_FOUND)
        return self._page([(path.name, *self._link(path)) for path in files])

    def _link(self, path: Path) -> tuple[str, str]:
        metadata = _metadata(path)
        attributes = ""
        if python := Parser().parsestr(metadata.decode(), headersonly=True)["Requires-Python"]:
            attributes += f' data-requires-python="{html.escape(python)}"'
        if self.metadata and path.suffix == ".whl":
            digest = hashlib.sha256(metadata).hexdigest()
            attributes += "".join(
                f' data-{kind}-metadata="sha256={digest}"' for kind in ("core", "dist-info")
            )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"/files/{quote(path.name)}#sha256={digest}", attributes

    def _page(self, links: list[tuple[str, ...]]) -> _Answer:
        lines = [f'<a href="{link}"{"".join(more)}>{name}</a><br>' for name, link, *more in links]
        text = "<!DOCTYPE html>\n<html><body>\n" + "\n".join(lines) + "\n</body></html>\n"
        return _Answer(HTTPStatus.OK, text.encode(), "text/html; charset=utf-8")

    def _file(self, name: str) -> _Answer:
        path = self.folder / name.removesuffix(".metadata")
        if path not in self._files():
            return _Answer(HTTPStatus.NOT_FOUND)
        if name == path.name:
            return _Answer(HTTPStatus.OK, path.read_bytes())
        return (
            _Answer(HTTPStatus.OK, _metadata(path))
            if self.metadata
            else _Answer(HTTPStatus.NOT_FOUND)
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, index: Index) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.index = index

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Say nothing of a client that went away: tests kill theirs."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = 60

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        """Log nothing: `Index.requests` tells what was asked."""

    def _serve(self, *, with_body: bool) -> None:
        server = self.server
        assert isinstance(server, _Server)
        answer, fault = server.index.answer(self.path, self.headers.get("Authorization", ""))
        if fault == "hang":
            server.index.wait_for_close()
            return
        if fault in {"404", "500"}:
            answer = _Answer(HTTPStatus(int(fault)))
        elif fault == "lie" and answer.kind == "application/octet-stream":
            # A zip file may be followed by bytes, so only who hashes it finds the lie.
            answer = answer._replace(body=answer.body + b"\0")
        self.send_response(answer.status)
        if answer.status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            half = len(answer.body) // 2
            self.wfile.write(answer.body[:half] if fault == "cut" else answer.body)


def _project(file_name: str) -> str:
    """Return the canonical name of the project that a wheel or an sdist belongs to."""
    if ".whl" in file_name:
        stem = file_name.partition("-")[0]
    else:
        stem = file_name.removesuffix(".tar.gz").rpartition("-")[0]
    return re.sub(r"[-_.]+", "-", stem).lower()


def _metadata(path: Path) -> bytes:
    """Return the core metadata of a wheel or an sdist."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(
                next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
            )
    with tarfile.open(path) as sdist:
        member = sdist.extractfile(next(n for n in sdist.getnames() if n.endswith("/PKG-INFO")))
        assert member
        return member.read()
