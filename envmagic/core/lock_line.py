"""One logical line of a requirements file."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from envmagic.core.lock_url import (
    ARCHIVE,
    URL,
    BadLineError,
    Link,
    explain_movable,
    extras_of,
    file_url,
    read_hash,
    read_link,
    split_extras,
)
from envmagic.core.model import INDEX, Pin, canonical_name, read_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# The first branch is a plain pin, hashes and comment included: nearly all lines of
# nearly all locks. The second is any other line, joined with what its `\` continue.
_LINES = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) *== *([A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"((?: +(?:\\\n *)?--hash=(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}))*)"
    r"[ \t]*(?:[ \t]#(?:[^\n]*[^\n\\])?)?(?:\n|\Z)"
    r"|((?:(?![^\S\n]*#)[^\n]*\\\n)*[^\n]*\n?)"
)
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")

_NAME_AT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?@")
_ONE_EQUALS = re.compile(r"([\w.\[\]-]+)\s*=\s*([^\s=,;]+)(?:=[^\s=]*)?")
_EXACT = re.compile(r"(?<![=!<>~])==\s*([^\s=,;]+)")
_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-C": "--config-settings",
}
_FLAGS = frozenset({"--no-index", "--prefer-binary", "--require-hashes", "--pre"})
_LINE_OPTIONS = frozenset(
    {
        "--index-url",
        "--extra-index-url",
        "--find-links",
        "--no-binary",
        "--only-binary",
        "--trusted-host",
        "--use-feature",
    }
)
_BUILD_OPTIONS = frozenset(
    {"--config-settings", "--config-setting", "--global-option", "--install-option"}
)
_INCLUDES = frozenset({"--requirement", "--constraint"})
_VALUED = _LINE_OPTIONS | _BUILD_OPTIONS | _INCLUDES | {"--editable", "--hash"}

_FORMS = "a line is `NAME==VERSION`, `NAME @ URL`, an option of pip or a `# comment`"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A requirement, and why it does not name one thing for good (None: it does)."""

    pin: Pin
    loose: BadLineError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Include:
    """A `-r` or `-c` line."""

    path: str
    constraint: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """An option line that pip must see."""

    flag: str
    text: str


def scan_lines(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield each logical line with its number: its match as `read_plain` and `join` take it."""
    number = 1
    for match in _LINES.finditer("\n".join(text.removeprefix("\ufeff").splitlines())):
        yield number, match
        number += match[0].count("\n")


def read_plain(match: re.Match[str], where: str) -> Pin | None:
    """Return the pin of a line that is nothing but a pin, or None."""
    name, text, hashes, _ = match.groups()
    if name is None:
        return None
    version = read_version(text)
    if isinstance(version, str):
        return None
    return Pin(
        name=canonical_name(name),
        version=version,
        specifier=f"=={text}",
        hashes=_unique(re.findall(r"--hash=(\S+)", hashes)) if hashes else (),
        where=where,
    )


def join(match: re.Match[str]) -> str:
    """Return a logical line as one, without its comment: empty where nothing is left."""
    *lines, last = match[0].removesuffix("\n").split("\n")
    if not _COMMENT.match(last):
        last = last.strip("\\") if last.endswith("\\") else last
    elif lines:
        last = " " + last
    return _COMMENT.sub("", "".join(line.strip("\\") for line in lines) + last).strip()


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return a line with each `${NAME}` that is set replaced, as pip does."""
    return _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], text)


def conceal(text: str, line: str, environ: Mapping[str, str]) -> str:
    """Return a message with `${NAME}` put back for each value that a line took from it."""
    for name in _VARIABLE.findall(line):
        if value := environ.get(name):
            text = text.replace(value, f"${{{name}}}")
    return text


def absolute(path: str, home: str) -> str:
    """Return a path that is relative to `home` (empty: the folder of this process) as a whole."""
    return os.path.abspath(os.path.join(home, path))  # noqa: PTH100, PTH118 (text only)


@dataclass(frozen=True, kw_only=True, slots=True)
class LineReader:
    """Reads the lines of one file."""

    path: str
    read: Callable[[str], str]
    home: str = ""
    """What its own path is relative to; empty: the folder of this process."""

    @property
    def folder(self) -> str:
        """The folder that relative paths start from."""
        return os.path.dirname(absolute(self.path, self.home))  # noqa: PTH120 (text only)

    def read_line(self, text: str, where: str) -> Iterator[Entry | Include | Option]:
        """Yield what a line says: one thing, or an option line's several.

        Raises BadLineError.
        """
        requirement, arguments = _split_options(text)
        options = list(_read_options(arguments))
        if requirement:
            yield self._read_requirement(requirement, _read_hashes(options), where)
        elif options and options[0][0] == "--editable":
            if len(options) > 1:
                raise _misplaced(options[1][0])
            yield self._read_link(self._read_editable(options[0][1]), (), where)
        else:
            for flag, value in options:
                yield self._read_option(flag, value, text if len(options) == 1 else "")

    def _read_option(self, flag: str, value: str, text: str) -> Include | Option:
        if flag in _INCLUDES:
            return Include(path=self._included(flag, value), constraint=flag == "--constraint")
        if flag == "--hash":
            hint = "put it on the line of its requirement, or end the line above with ` \\`"
            raise BadLineError("`--hash` without a requirement", hint)
        if flag not in _LINE_OPTIONS | _FLAGS:
            raise _misplaced(flag)
        if flag == "--find-links" and not URL.match(value) and self._has(value):
            return Option(flag=flag, text=shlex.join([flag, self._absolute(value)]))
        return Option(flag=flag, text=text or shlex.join([flag, value] if value else [flag]))

    def _included(self, flag: str, value: str) -> str:
        if "://" not in value and not URL.match(value):
            return os.path.normpath(os.path.join(os.path.dirname(self.path), value))  # noqa: PTH118, PTH120
        if value.lower().startswith("file:"):
            return unquote(urlsplit(value).path)
        short = flag[1:3]
        raise BadLineError(f"`{short} {value}` is on the web", f"save it and write `{short} FILE`")

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.folder, path))  # noqa: PTH118

    def _has(self, path: str) -> bool:
        """Whether a file or folder is there: a folder can be found by failing to read it."""
        try:
            self.read(self._absolute(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, UnicodeDecodeError):
            return True
        return True

    def _read_requirement(self, text: str, hashes: tuple[str, ...], where: str) -> Entry:
        is_url = URL.match(text) is not None
        head, _, marker_text = text.partition("; " if is_url else ";")
        head, marker = head.strip(), _read_marker(marker_text.strip())
        if is_url:
            return self._read_link(Link(url=head, marker=marker), hashes, where)
        if not _NAME_AT.match(head) and _is_path(head):
            path, extras = split_extras(head)
            link = Link(url=file_url(path, self.folder), extras=extras, marker=marker)
            return self._read_link(link, hashes, where)
        if _NAME_AT.match(head):
            return self._read_link(replace(_read_direct(head), marker=marker), hashes, where)
        return _read_named(head, marker, hashes, where)

    def _read_editable(self, text: str) -> Link:
        head, _, marker = text.partition(";")
        if _NAME_AT.match(head):
            link = _read_direct(head.strip())
            return replace(link, marker=_read_marker(marker.strip()), editable=True)
        if URL.match(text) and not text.lower().startswith("file:"):
            return Link(url=text, editable=True)
        path, extras = split_extras(text)
        url = path if URL.match(path) else file_url(path, self.folder)
        return Link(url=url, extras=extras, editable=True)

    def _read_link(self, link: Link, hashes: tuple[str, ...], where: str) -> Entry:
        pin = read_link(link, self.folder, self.read)
        pin = replace(pin, hashes=_unique([*pin.hashes, *hashes]), where=where)
        return Entry(pin=pin, loose=explain_movable(pin.name, pin.source))


def _split_options(text: str) -> tuple[str, list[str]]:
    """Split at the first word that starts with a dash: only what follows is quoted."""
    words = text.split(" ")
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        return " ".join(words[:first]).strip(), shlex.split(" ".join(words[first:]))
    except ValueError:
        hint = "close the quotation mark, or remove it"
        raise BadLineError(f"`{text}` has a quotation mark that is not closed", hint) from None


def _read_options(arguments: list[str]) -> Iterator[tuple[str, str]]:
    waiting = iter(arguments)
    for word in waiting:
        if not word.startswith("-"):
            hint = "put it on a line of its own, or in quotation marks with what it belongs to"
            raise BadLineError(f"`{word}` stands behind an option that does not take it", hint)
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
        else:
            flag, value = _SHORT.get(word[:2], word), word[2:]
            equals = value
        if flag not in _FLAGS | _VALUED or (flag in _FLAGS and equals):
            raise BadLineError(f"unknown option `{word}`", _guess_option(flag))
        if flag in _VALUED and not equals:
            value = next(waiting, "")
        if flag in _VALUED and not value:
            raise BadLineError(f"`{word}` has no value", f"write `{flag} VALUE`")
        yield flag, value


def _guess_option(flag: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (5 ms)

    close = get_close_matches(flag, sorted(_FLAGS | _VALUED), 1)
    return f"did you mean `{close[0]}`?" if close else "remove it"


def _misplaced(flag: str) -> BadLineError:
    if flag in _BUILD_OPTIONS:
        return BadLineError(f"`{flag}` for one line is not supported", "remove it")
    return BadLineError(f"`{flag}` is not alone on its line", "put it on a line of its own")


def _read_hashes(options: list[tuple[str, str]]) -> tuple[str, ...]:
    for flag, _ in options:
        if flag != "--hash":
            raise _misplaced(flag)
    return _unique([read_hash(value) for _, value in options])


def _read_marker(text: str) -> str:
    if not text:
        return ""
    from packaging.markers import InvalidMarker, Marker  # noqa: PLC0415 (7 ms)

    try:
        return str(Marker(text))
    except InvalidMarker as error:
        hint = "a marker is like `; python_version < '3.12'`"
        raise BadLineError(f"bad marker `{text}`: {_first_line(error)}", hint) from None


def _read_named(head: str, marker: str, hashes: tuple[str, ...], where: str) -> Entry:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (7 ms)

    try:
        requirement = Requirement(head)
    except InvalidRequirement as error:
        raise _explain(head, error) from None
    clauses = list(requirement.specifier)
    exact = len(clauses) == 1 and clauses[0].operator in {"==", "==="}
    pinned = exact and not clauses[0].version.endswith(".*")
    pin = Pin(
        name=canonical_name(requirement.name),
        version=read_version(clauses[0].version) if pinned else None,
        specifier=str(requirement.specifier),
        source=INDEX,
        marker=marker,
        extras=extras_of(requirement.extras),
        hashes=hashes,
        where=where,
    )
    return Entry(pin=pin, loose=None if pinned else _unpinned(requirement.name, pin.specifier))


def _unpinned(name: str, specifier: str) -> BadLineError:
    what = f"`{name}{specifier}` is a range, not a pin" if specifier else f"`{name}` is not pinned"
    return BadLineError(what, f"write `{name}==VERSION`, or run with --allow-ranges")


def _read_direct(head: str) -> Link:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (7 ms)

    try:
        requirement = Requirement(head)
    except InvalidRequirement as error:
        raise _explain(head, error) from None
    url = requirement.url or ""
    if not URL.match(url):
        hint = f"write `{requirement.name} @ https://…`, `git+https://…` or `file:///…`"
        raise BadLineError(f"`{url}` is not a URL", hint)
    return Link(name=requirement.name, extras=extras_of(requirement.extras), url=url)


def _explain(head: str, error: ValueError) -> BadLineError:
    if (match := _ONE_EQUALS.fullmatch(head)) is not None:
        hint = f"write `{match[1]}=={match[2]}`"
        return BadLineError(f"`{head}` has one `=`; a pin has two", hint)
    match = _EXACT.search(head)
    if match is not None and isinstance(read_version(match[1].removesuffix(".*")), str):
        hint = "write it as `1.26.4`, or behind `===` if it is really called that"
        return BadLineError(f"`{match[1]}` is not a version", hint)
    return BadLineError(f"`{head}` is not a requirement: {_first_line(error)}", _FORMS)


def _first_line(error: ValueError) -> str:
    line = str(error).partition("\n")[0]
    return line[:1].lower() + line[1:]


def _is_path(head: str) -> bool:
    return head.startswith(".") or "/" in head or "\\" in head or bool(ARCHIVE.fullmatch(head))


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
