"""A frozen lock: a line for what works elsewhere, a comment for all else, no secret."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version
from support.torches import version_text

from envmagic.core.model import Distribution, Name, Snapshot, Source, SourceKind
from envmagic.edge.freeze import freeze, summarize
from envmagic.edge.probe import look_at_platform

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX_LINE = "a==1"


def frozen(*sources: Source) -> str:
    """Return the lock of `a` from an index, and `b`, `c` and so on from these sources."""
    found = [Distribution(name=Name("a"), version=Version("1"))]
    for number, source in enumerate(sources):
        name = Name("bcdefg"[number])
        found.append(Distribution(name=name, version=Version("1"), source=source))
    return freeze(Snapshot(platform=look_at_platform(), distributions=tuple(found)))


def lines(text: str) -> list[str]:
    return text.partition("# digest: ")[2].splitlines()[1:]


def test_a_url_with_a_query_is_not_frozen() -> None:
    text = frozen(
        Source(kind=SourceKind.ARCHIVE, url="https://h/b?t=hunter2&x=1"),
        Source(kind=SourceKind.VCS, url="https://h/c?t=hunter2", vcs="git", commit=COMMIT),
        Source(kind=SourceKind.ARCHIVE, url="https://h/d.zip", hashes=("sha256:00",)),
        Source(kind=SourceKind.VCS, url="ssh://git@h/e", vcs="git", commit=COMMIT),
    )
    assert lines(text) == [
        INDEX_LINE,
        "# envmagic: not locked: b==1 (its URL carries a secret: https://h/b?t=****&x=****)",
        "# envmagic: not locked: c==1 (its URL carries a secret: https://h/c?t=****)",
        "d @ https://h/d.zip#sha256=00",
        f"e @ git+ssh://git@h/e@{COMMIT}",
    ]
    assert summarize(text) == "3 pins, 2 left out (b, c)"


def test_what_is_of_this_machine_is_not_frozen() -> None:
    text = frozen(
        Source(kind=SourceKind.DIRECTORY, url="file:///b", editable=True),
        Source(kind=SourceKind.DIRECTORY, url="file:///c"),
        Source(kind=SourceKind.ARCHIVE, url="file:///d.whl"),
    )
    assert lines(text)[1:] == [
        "# envmagic: not locked: b==1 (editable: file:///b)",
        "# envmagic: not locked: c==1 (a folder of this machine: file:///c)",
        "# envmagic: not locked: d==1 (a file of this machine: file:///d.whl)",
    ]


def header(*distributions: Distribution) -> str:
    where = replace(look_at_platform(), tag="linux-x86_64")
    text = freeze(Snapshot(platform=where, distributions=distributions))
    return text.partition("# digest: ")[0]


def test_the_header_says_which_cuda_the_set_is_built_for() -> None:
    torch = Distribution(name=Name("torch"), version=Version("2.4.0"))
    assert "# cuda: 12.1 (torch 2.4.0)\n" in header(torch)
    cpu = replace(torch, version=Version("2.4.0+cpu"))
    assert "# cuda: none (torch 2.4.0+cpu)\n" in header(cpu)
    assert "# cuda" not in header(Distribution(name=Name("numpy"), version=Version("1")))


def test_the_header_goes_by_what_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "version.py").write_text(version_text("2.4.0", None), "utf-8")
    torch = Distribution(name=Name("torch"), version=Version("2.4.0"), location=str(tmp_path))
    assert "# cuda: none (torch 2.4.0)\n" in header(torch)


def test_a_summary_of_pins_only() -> None:
    assert summarize(frozen()) == "1 pin"
