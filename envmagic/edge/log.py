"""What a command says, on its way into a log that holds no secret."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import selectors
import threading
from typing import TYPE_CHECKING

from envmagic.core.errors import EngineError
from envmagic.core.redact import mask, mask_cut, redact
from envmagic.edge.private import open_to_append

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_TICK = 0.1
_MOMENT = 0.5
"""How long a child that outlives its command may keep us from its last words."""
_SIZE = 65536
_WHOLE = re.compile(rb".*[\t\n\v\f\r ]", re.DOTALL)
"""All but the last word, which may go on: no secret goes over a space."""
_LONG = re.compile(rb"[^\t\n\v\f\r ]{4096,}")
"""No URL that anybody needs; to look for secrets in it could take minutes."""


@contextlib.contextmanager
def open_log(path: Path, *, secrets: frozenset[str] | None) -> Iterator[int]:
    """Give the descriptor that a command shall write to, until it has ended.

    That is a pipe, from which what is said goes into the log as soon as a word is whole,
    without `secrets` and without those of URLs. With None, who cannot tell any, it is the
    log itself: so the command needs nobody who reads.
    """
    log = os.fdopen(open_to_append(path), "ab")
    if secrets is None:
        with log:
            yield log.fileno()
        return
    source, target = os.pipe()
    copier = _Copier(source, log, secrets)
    copier.start()
    try:
        yield target
    finally:
        os.close(target)
        copier.finish()
    if copier.error is not None:
        full = copier.error.errno == errno.ENOSPC
        raise EngineError(
            f"`{path}` cannot be written: {copier.error.strerror}",
            "free some space, then try again" if full else "",
        )


class _Copier(threading.Thread):
    """Reads a pipe to its end, so that its writer never waits, and fills a log from it."""

    def __init__(self, source: int, log: BinaryIO, secrets: frozenset[str]) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._log = log
        self._secrets = secrets
        self._enough = threading.Event()
        self.error: OSError | None = None

    def finish(self) -> None:
        """Wait for the end; not for long, since a child of the command may never close it."""
        self.join(_MOMENT)
        self._enough.set()
        self.join()

    def run(self) -> None:
        word = b""
        for piece in self._pieces():
            said = word + piece
            match = _WHOLE.match(said)
            whole = match[0] if match else b""
            word = said[len(whole) :]
            self._write(_redact(whole, self._secrets))
        self._write(_redact_end(word, self._secrets))
        with contextlib.suppress(OSError):  # said already, by `_write`
            self._log.close()

    def _pieces(self) -> Iterator[bytes]:
        with os.fdopen(self._source, "rb", buffering=0) as pipe:
            selector = selectors.DefaultSelector()
            selector.register(pipe, selectors.EVENT_READ)
            with selector:
                while not self._enough.is_set():
                    if selector.select(_TICK):
                        piece = pipe.read(_SIZE)
                        if not piece:
                            return
                        yield piece

    def _write(self, said: bytes) -> None:
        if said and self.error is None:
            try:
                self._log.write(said)
                self._log.flush()
            except OSError as error:
                self.error = error


def _redact(said: bytes, secrets: frozenset[str]) -> bytes:
    known = mask(_decode(said), secrets)
    short = _LONG.sub(lambda match: _redact_cut(match[0]), _encode(known))
    return _encode(redact(_decode(short)))


def _redact_end(word: bytes, secrets: frozenset[str]) -> bytes:
    """Mask what may have been cut in its last word."""
    return _redact_cut(_encode(mask_cut(mask(_decode(word), secrets), secrets)))


def _redact_cut(word: bytes) -> bytes:
    """Mask a URL that may have been cut before the `@` that tells its secret."""
    start, mark, _ = word.partition(b":/")
    return start + (mark and b":/****")


def _decode(said: bytes) -> str:
    return said.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
