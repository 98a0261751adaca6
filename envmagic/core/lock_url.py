"""Where a direct URL or path of a requirements file leads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from envmagic.core.model import Pin, Source, SourceKind, canonical_name
from envmagic.core.redact import strip_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+[a-z]+|https?|ftp|file):", re.IGNORECASE)
"""How every URL of a requirements file begins."""

# Of two letters and more: one is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_EXTRAS = re.compile(r"(.+?)\s*\[([^\[\]]*)\]")
ARCHIVE = re.compile(
    r".*\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))", re.IGNORECASE
)
_COMMIT = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_PROJECT_NAME = re.compile(
    r"^\[(?:project|metadata)\][^\n]*\n(?:(?!\[).*\n)*?name\s*=\s*[\"']?([A-Za-z0-9._-]+)",
    re.MULTILINE,
)
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


class BadLineError(ValueError):
    """What is wrong with a line, and what to do about it."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A direct URL or path, as far as its line tells."""

    url: str
    name: str = ""
    extras: frozenset[str] = frozenset()
    marker: str = ""
    editable: bool = False


def read_link(link: Link, folder: str, read: Callable[[str], str]) -> Pin:
    """Return the pin of a direct URL, without the hashes that its line gives it.

    A relative path starts from `folder`; `read` looks into a project for its name. The
    URL of a pin is absolute and has an `#egg=` where it is editable, and only there: an
    editable in a generated file is told its name by nothing else.
    """
    url, _, fragment_text = link.url.partition("#")
    if url.lower().startswith("file:"):
        url = _absolute_file_url(url, folder)
    parts = _split_url(strip_userinfo(url))
    fragment = dict(_pairs(fragment_text))
    source = _read_source(parts, fragment, editable=link.editable)
    if link.editable and source.kind is SourceKind.ARCHIVE:
        hint = "write `NAME @ URL`, without `-e`"
        raise BadLineError(f"`{link.url}` is an archive, which cannot be editable", hint)
    egg, egg_extras = _read_egg(fragment.pop("egg", ""))
    name = canonical_name(link.name or egg or _find_name(source, link, read))
    if link.editable:
        fragment["egg"] = name
    rest = "&".join(f"{key}={value}" if value else key for key, value in fragment.items())
    return Pin(
        name=name,
        source=source,
        marker=link.marker,
        extras=link.extras or egg_extras,
        hashes=source.hashes,
        url=f"{url}#{rest}" if rest else url,
    )


def file_url(path: str, folder: str) -> str:
    """Return the URL of a path, which may end in a fragment; raises BadLineError."""
    if "://" in path or _SCHEME.match(path):
        raise BadLineError(f"`{path}` is neither a path nor a URL of pip", "write `NAME @ URL`")
    head, mark, fragment = path.partition("#")
    absolute = os.path.normpath(os.path.join(folder, head))  # noqa: PTH118 (text only)
    return PurePath(absolute).as_uri() + mark + fragment


def _absolute_file_url(url: str, folder: str) -> str:
    parts = _split_url(url)
    if parts.netloc not in {"", "localhost"}:
        raise BadLineError(f"`{url}` is on another host", "write `file:///` and the whole path")
    return file_url(unquote(parts.path), folder)


def _split_url(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadLineError(f"`{url}` is not a URL: {error}", "write `NAME @ URL`") from None


def _find_name(source: Source, link: Link, read: Callable[[str], str]) -> str:
    path = unquote(urlsplit(source.url).path)
    if path.lower().endswith(".whl"):
        return _name_of_wheel(path)
    for file in ("pyproject.toml", "setup.cfg") if source.kind is SourceKind.DIRECTORY else ():
        try:
            text = read(os.path.join(path, source.subdirectory, file))  # noqa: PTH118 (text only)
        except (OSError, UnicodeDecodeError):
            continue
        if (match := _PROJECT_NAME.search(text)) is not None:
            return match[1]
    hint = "add `#egg=NAME` to its URL" if link.editable else "write `NAME @ URL`"
    raise BadLineError(f"`{link.url}` does not tell its name", hint)


def read_hash(text: str) -> str:
    """Return a hash in its one form; raises BadLineError where it is none."""
    algorithm, colon, digest = text.partition(":")
    hint = "write `--hash=sha256:` and 64 hex digits"
    if not colon:
        raise BadLineError(f"`{text}` is not a hash: no algorithm", hint)
    if algorithm not in _DIGITS:
        raise BadLineError(f"a hash of `{algorithm}` does not protect", hint)
    if not re.fullmatch(f"[0-9a-fA-F]{{{_DIGITS[algorithm]}}}", digest):
        expected = f"{_DIGITS[algorithm]} hex digits"
        raise BadLineError(f"`{text}` is not a hash: {algorithm} has {expected}", hint)
    return f"{algorithm}:{digest.lower()}"


def split_extras(text: str) -> tuple[str, frozenset[str]]:
    """Return a text without its `[extra,extra]` at the end, and these."""
    match = _EXTRAS.fullmatch(text)
    return (match[1], extras_of(match[2].split(","))) if match else (text, frozenset())


def extras_of(names: Iterable[str]) -> frozenset[str]:
    """Return the one spelling of each extra."""
    return frozenset(canonical_name(name.strip()) for name in names if name.strip())


def _pairs(fragment: str) -> Iterator[tuple[str, str]]:
    for part in fragment.split("&") if fragment else ():
        key, _, value = part.partition("=")
        yield key, value


def _read_egg(text: str) -> tuple[str, frozenset[str]]:
    name, extras = split_extras(unquote(text))
    if name and not _NAME.fullmatch(name):
        raise BadLineError(f"`#egg={text}` is not a name", "write `NAME @ URL`")
    return name, extras


def _read_source(parts: SplitResult, fragment: Mapping[str, str], *, editable: bool) -> Source:
    bare = parts._replace(fragment="")
    subdirectory = fragment.get("subdirectory", "")
    vcs, plus, scheme = parts.scheme.partition("+")
    if plus:
        path, at, commit = bare.path.rpartition("@")
        return Source(
            kind=SourceKind.VCS,
            url=urlunsplit(bare._replace(scheme=scheme, path=path if at else bare.path)),
            vcs=vcs,
            commit=commit if at else "",
            subdirectory=subdirectory,
            editable=editable,
        )
    local = parts.scheme == "file" and not ARCHIVE.fullmatch(parts.path)
    found = [f"{algorithm}:{fragment[algorithm]}" for algorithm in _DIGITS if algorithm in fragment]
    return Source(
        kind=SourceKind.DIRECTORY if local else SourceKind.ARCHIVE,
        url=bare.geturl(),
        subdirectory=subdirectory,
        editable=editable,
        hashes=tuple(read_hash(text) for text in found),
    )


def explain_movable(name: str, source: Source) -> BadLineError | None:
    """Return why a source may be another one tomorrow; None: it stays."""
    if source.kind is not SourceKind.VCS or _COMMIT.fullmatch(source.commit):
        return None
    if source.vcs in {"svn", "bzr"} and source.commit.isdigit():
        return None
    why = f"`@{source.commit}` can move" if source.commit else "no commit is named"
    hint = "use the full commit behind the `@`, or run with --allow-ranges"
    return BadLineError(f"`{name}` is not pinned: {why}", hint)


def _name_of_wheel(path: str) -> str:
    file = path.rpartition("/")[2]
    parts = file[: -len(".whl")].split("-")
    if len(parts) not in {5, 6} or not _NAME.fullmatch(parts[0]):
        hint = "a wheel is called `NAME-VERSION-PYTHON-ABI-PLATFORM.whl`"
        raise BadLineError(f"`{file}` is not the name of a wheel", hint)
    return parts[0]
