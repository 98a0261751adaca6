"""requirements.txt text to pins, and back."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envmagic.core.errors import EnvmagicError
from envmagic.core.lock_line import (
    Entry,
    Include,
    LineReader,
    absolute,
    conceal,
    expand,
    join,
    read_plain,
    scan_lines,
)
from envmagic.core.lock_url import BadLineError
from envmagic.core.model import Lock, Name, Pin, SourceKind, canonical_name
from envmagic.core.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")
_PRAGMA = "# envmagic: not locked: "
_NOT_LOCKED = re.compile(
    rf"^[ \t]*{_PRAGMA}([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", re.MULTILINE
)
_FIRST_LINE = re.compile(r"^[ \t]*(?!#)(?=\S)(.*)", re.MULTILINE)

_FREEZE = "write a lock with `%envfreeze` or `pip freeze` where it works"
_FOREIGN = (
    (r"<(?:!doctype|html|\?xml)", "a web page", "download the raw file instead"),
    (r"[{]", "JSON", _FREEZE),
    (
        r"\[\[?[^\]]+\]\]?\s*$",
        "TOML",
        "export it as requirements, e.g. `uv export` or `pip freeze`",
    ),
    (r"[\w-]+ = (?:[\"'\[{]|\d+$)", "TOML", "export it as requirements, e.g. `uv export`"),
    (r"(?:name|channels|dependencies|prefix):(?:\s|$)|---$", "YAML, as of conda", _FREEZE),
    (r"@EXPLICIT$|[\w.][\w.-]*=[^=\s]+=[^=\s]+$", "a list of conda packages", _FREEZE),
    (r"Package\s+Version\s*$", "the table of `pip list`", "write it with `pip freeze`"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong with a lock file."""

    where: str
    """`file:line`."""
    text: str
    """What is wrong."""
    hint: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.text} ({self.hint})"


class LockError(EnvmagicError):
    """A lock file cannot be used: with every fault of it, and of what it includes."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "", faults: Iterable[Fault] = ()) -> None:
        super().__init__(message, hint)
        self.faults = tuple(faults)

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> LockError:
        """Return the error that lists some faults, a line each."""
        faults = tuple(faults)
        return cls("\n".join(map(str, faults)), faults=faults)


def is_unsupported(path: str) -> bool:
    """Whether a file is called like a lock in a format that cannot be read yet."""
    return _PYLOCK.fullmatch(os.path.basename(path)) is not None  # noqa: PTH119 (text only)


def parse_lock(  # noqa: PLR0913 (each tells of another thing of the place that it is read in)
    text: str,
    path: str,
    *,
    read: Callable[[str], str],
    markers: Mapping[str, str],
    allow_ranges: bool = False,
    environ: Mapping[str, str] | None = None,
    home: str = "",
) -> Lock:
    """Return what a requirements file pins on the interpreter that `markers` describe.

    `read` returns the text of a file that is named in it. `home` is what paths are relative
    to; empty: the folder of this process. Raises LockError with every fault of every file.
    """
    if is_unsupported(path):
        hint = "export it as requirements, e.g. `uv export --format requirements-txt`"
        said = "pylock.toml is not supported by this version yet"
        raise LockError.of([Fault(where=f"{path}:1", text=said, hint=hint)])
    parser = _Parser(
        read=read,
        markers=markers,
        allow_ranges=allow_ranges,
        environ=os.environ if environ is None else environ,
        home=home,
    )
    parser.take_file(text, path, (), constraint=False)
    return parser.finish(path)


@dataclass(kw_only=True, slots=True)
class _Parser:
    """What was read so far, of all files."""

    read: Callable[[str], str]
    markers: Mapping[str, str]
    allow_ranges: bool
    environ: Mapping[str, str]
    home: str
    pins: dict[Name, Pin] = field(default_factory=dict)
    constraints: list[Pin] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    require_hashes: bool = False
    not_locked: dict[Name, None] = field(default_factory=dict)
    left_out: int = 0
    files: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def take_file(self, text: str, path: str, stack: tuple[str, ...], *, constraint: bool) -> None:
        self.files.append(path)
        self.digest.update(text.encode("utf-8", "surrogatepass"))
        if (foreign := _find_foreign(text)) is not None:
            self.blame(f"{path}:{foreign[0]}", *foreign[1:])
            return
        if _PRAGMA in text:
            self.not_locked |= dict.fromkeys(map(canonical_name, _NOT_LOCKED.findall(text)))
        reader = LineReader(path=path, read=self.read, home=self.home)
        for number, match in scan_lines(text):
            where = f"{path}:{number}"
            if (pin := read_plain(match, where)) is not None:
                self.take_pin(pin, constraint=constraint)
            elif line := join(match):
                try:
                    self.take_line(line, where, reader, stack, constraint=constraint)
                except BadLineError as error:
                    said, hint = (conceal(t, line, self.environ) for t in (error.text, error.hint))
                    self.blame(where, said, hint)

    def take_line(
        self, line: str, where: str, reader: LineReader, stack: tuple[str, ...], *, constraint: bool
    ) -> None:
        for item in reader.read_line(expand(line, self.environ), where):
            if isinstance(item, Entry):
                self.take_entry(item, constraint=constraint)
            elif isinstance(item, Include):
                self.include(item, (*stack, reader.path))
            else:
                self.options.append(item.text)
                self.require_hashes |= item.flag == "--require-hashes"

    def include(self, item: Include, stack: tuple[str, ...]) -> None:
        letter = "c" if item.constraint else "r"
        if absolute(item.path, self.home) in (absolute(path, self.home) for path in stack):
            loop = " → ".join([*stack, item.path])
            raise BadLineError(f"the files include each other: {loop}", f"remove this `-{letter}`")
        try:
            text = self.read(item.path)
        except UnicodeDecodeError:
            said = f"`{item.path}` is not UTF-8"
            raise BadLineError(said, "save it as UTF-8 text") from None
        except OSError as error:
            said = f"`{item.path}` cannot be read: {error.strerror or error}"
            hint = "paths are relative to the file that names them"
            raise BadLineError(said, hint) from None
        self.take_file(text, item.path, stack, constraint=item.constraint)

    def take_entry(self, entry: Entry, *, constraint: bool) -> None:
        pin = entry.pin
        if pin.marker and not _is_true(pin.marker, self.markers):
            self.left_out += not constraint
        elif constraint and (pin.source.editable or pin.extras):
            what = "an editable" if pin.source.editable else "an extra"
            hint = "remove it here, and put it into the lock itself"
            raise BadLineError(f"a constraint cannot have {what}", hint)
        elif entry.loose is not None and not (constraint or self.allow_ranges):
            raise entry.loose
        else:
            self.take_pin(pin, constraint=constraint)

    def take_pin(self, pin: Pin, *, constraint: bool) -> None:
        if constraint:
            self.constraints.append(pin)
            return
        known = self.pins.setdefault(pin.name, pin)
        if known is pin:
            return
        if _identity(known) == _identity(pin):
            self.pins[pin.name] = _unite(known, pin)
        else:
            said = f"`{pin.name}` is {_describe(pin)} here and {_describe(known)} in {known.where}"
            self.blame(pin.where, said, "keep one of the two lines")

    def blame(self, where: str, text: str, hint: str) -> None:
        self.faults.append(Fault(where=where, text=redact(text), hint=redact(hint)))

    def finish(self, path: str) -> Lock:
        for pin in self.pins.values() if self.require_hashes else ():
            if not pin.hashes:
                said = f"`{pin.name}` has no hash, and `--require-hashes` asks for one"
                self.blame(pin.where, said, "add `--hash=sha256:…`, or remove `--require-hashes`")
        if not self.pins and not self.faults:
            self.blame(f"{path}:1", *self.explain_nothing())
        if self.faults:
            raise LockError.of(sorted(self.faults, key=self.position))
        return Lock(
            path=path,
            pins=tuple(self.pins.values()),
            constraints=tuple(self.constraints),
            options=tuple(self.options),
            require_hashes=self.require_hashes,
            not_locked=tuple(self.not_locked),
            digest=f"sha256:{self.digest.hexdigest()}",
            files=tuple(dict.fromkeys(self.files)),
        )

    def explain_nothing(self) -> tuple[str, str]:
        if self.left_out:
            python = self.markers.get("python_full_version", "")
            said = f"pins nothing here: the marker of every line is false for Python {python}"
            return said, "it was written for another Python or another platform"
        return "pins nothing", "write a `NAME==VERSION` line for each package"

    def position(self, fault: Fault) -> tuple[int, int]:
        path, _, line = fault.where.rpartition(":")
        return self.files.index(path), int(line)


def _find_foreign(text: str) -> tuple[int, str, str] | None:
    """Return line, fault and hint where a text is no requirements file at all."""
    hint = "give the requirements file"
    if "\0" in text:
        return 1, "is not a text", hint
    first = _FIRST_LINE.search(text.removeprefix("\ufeff"))
    if first is None:
        return None
    for pattern, what, hint in _FOREIGN:
        if re.match(pattern, first[1].rstrip(), re.IGNORECASE):
            line = first.string.count("\n", 0, first.start()) + 1
            return line, f"is {what}, not a requirements file", hint
    return None


def _is_true(marker: str, markers: Mapping[str, str]) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 (7 ms)

    try:
        return Marker(marker).evaluate({**markers, "extra": ""})
    except ValueError as error:
        hint = "compare a version with a version, and a text with a text"
        raise BadLineError(f"the marker `{marker}` has no answer: {error}", hint) from None


def _identity(pin: Pin) -> tuple[object, ...]:
    """Return what two lines of one name must have in common."""
    version = pin.specifier if pin.version is None else pin.version
    return replace(pin.source, hashes=()), version, pin.specifier.startswith("===")


def _unite(one: Pin, other: Pin) -> Pin:
    return replace(
        one,
        extras=one.extras | other.extras,
        hashes=_union(one.hashes, other.hashes),
        marker=_either(one.marker, other.marker),
        source=replace(one.source, hashes=_union(one.source.hashes, other.source.hashes)),
    )


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _either(one: str, other: str) -> str:
    if one == other or not (one and other):
        return one if one == other else ""
    from packaging.markers import Marker  # noqa: PLC0415 (7 ms)

    return str(Marker(f"({one}) or ({other})"))


def _describe(pin: Pin) -> str:
    if pin.source.kind is SourceKind.INDEX:
        return f"`{pin.specifier}`" if pin.specifier else "any version"
    url = pin.source.url.partition("?")[0]
    return f"`{url}@{pin.source.commit}`" if pin.source.commit else f"`{url}`"


def dump_lock(lock: Lock) -> str:
    """Return a lock as one requirements file, which `parse_lock` reads as equal pins.

    Constraints would need a file of their own and are not written. Direct URLs and
    options are written with whatever they carry.
    """
    lines = list(lock.options)
    if lock.require_hashes and "--require-hashes" not in lines:
        lines.append("--require-hashes")
    lines += [f"{_PRAGMA}{name}" for name in lock.not_locked]
    lines += map(_dump_pin, lock.pins)
    return "".join(f"{line}\n" for line in lines)


def _dump_pin(pin: Pin) -> str:
    if pin.source.editable and not (pin.extras or pin.marker):
        return f"-e {pin.url}"
    name = f"{pin.name}[{','.join(sorted(pin.extras))}]" if pin.extras else pin.name
    text = f"{name} @ {pin.url}" if pin.url else f"{name}{pin.specifier}"
    text += f" ; {pin.marker}" if pin.marker else ""
    if pin.source.editable:
        return f"-e {shlex.quote(text)}"
    kept = [entry for entry in pin.hashes if entry not in pin.source.hashes]
    return " \\\n    ".join([text, *(f"--hash={entry}" for entry in kept)])
