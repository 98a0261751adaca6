"""pip's own parser says the same of a requirements file as `parse_lock` does."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.specifiers import SpecifierSet
from pip._internal.exceptions import PipError
from pip._internal.index.collector import LinkCollector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements

from envmagic.core.lock import LockError, parse_lock
from envmagic.core.model import Pin, SourceKind, canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pip._internal.req.req_install import InstallRequirement

MARKERS = {key: str(value) for key, value in default_environment().items()}
SHA = "a" * 64
SHB = "B" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Line(NamedTuple):
    """What both sides say of one requirement."""

    name: str
    specifier: str
    extras: frozenset[str]
    hashes: frozenset[str]
    constraint: bool
    editable: bool
    link: str


class Options(NamedTuple):
    index_urls: list[str]
    find_links: list[str]
    pre: bool
    prefer_binary: bool


@cache
def session() -> PipSession:
    return PipSession()


def ask_pip(path: Path) -> tuple[list[Line], Options]:
    scope = SearchScope.create(find_links=[], index_urls=["https://default"], no_index=False)
    finder = PackageFinder.create(
        link_collector=LinkCollector(session=session(), search_scope=scope),
        selection_prefs=SelectionPreferences(allow_yanked=False),
    )
    lines = []
    for parsed in parse_requirements(str(path), session=session(), finder=finder):
        requirement = install_req_from_parsed_requirement(parsed)
        if requirement.match_markers():
            lines.append(_line_of_pip(requirement))
    pre = finder.release_control is not None and ":all:" in finder.release_control.all_releases
    return lines, Options(finder.index_urls, finder.find_links, pre, finder.prefer_binary)


def _line_of_pip(requirement: InstallRequirement) -> Line:
    link = requirement.link
    return Line(
        name=canonical_name(requirement.name or ""),
        specifier="" if link or not requirement.req else str(requirement.req.specifier),
        extras=frozenset(map(canonical_name, requirement.extras)),
        hashes=frozenset(_hashes_of_pip(requirement)),
        constraint=requirement.constraint,
        editable=requirement.editable,
        link=link.url_without_fragment if link else "",
    )


def _hashes_of_pip(requirement: InstallRequirement) -> Iterator[str]:
    for algorithm, digests in requirement.hash_options.items():
        yield from (f"{algorithm}:{digest.lower()}" for digest in digests)
    if requirement.link and requirement.link.hash:
        yield f"{requirement.link.hash_name}:{requirement.link.hash}"


def ask_us(path: Path) -> tuple[list[Line], Options]:
    lock = parse_lock(
        path.read_text("utf-8"),
        str(path),
        read=lambda name: Path(name).read_text("utf-8"),
        markers=MARKERS,
        allow_ranges=True,
    )
    lines = [
        *(_line_of_ours(pin, constraint=False) for pin in lock.pins),
        *(_line_of_ours(pin, constraint=True) for pin in lock.constraints),
    ]
    return lines, _options_of_ours(lock.options)


def _options_of_ours(lines: Iterable[str]) -> Options:
    options = Options(["https://default"], [], pre=False, prefer_binary=False)
    no_index = False
    for text in lines:
        flag, _, value = text.replace("=", " ", 1).partition(" ")
        no_index |= flag == "--no-index"
        if flag in {"-i", "--index-url"}:
            options = options._replace(index_urls=[value])
        elif flag == "--extra-index-url":
            options.index_urls.append(value)
        elif flag in {"-f", "--find-links"}:
            options.find_links.append(value)
        options = options._replace(
            pre=options.pre or flag == "--pre",
            prefer_binary=options.prefer_binary or flag == "--prefer-binary",
        )
    return options._replace(index_urls=[]) if no_index else options


def _line_of_ours(pin: Pin, *, constraint: bool) -> Line:
    return Line(
        name=pin.name,
        specifier=str(SpecifierSet(pin.specifier)),
        extras=pin.extras,
        hashes=frozenset(pin.hashes),
        constraint=constraint,
        editable=pin.source.editable,
        link="" if pin.source.kind is SourceKind.INDEX else pin.url.partition("#")[0],
    )


def in_order(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (line.constraint, line.name))


def assert_same(path: Path) -> None:
    theirs, their_options = ask_pip(path)
    ours, our_options = ask_us(path)
    assert in_order(ours) == in_order(theirs)
    assert our_options == their_options


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the tricky files name; pip takes paths from where it runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVMAGIC_V", "1.5")
    monkeypatch.setenv("ENVMAGIC_EMPTY", "")
    (tmp_path / "sub").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text("[project]\nname = 'project'\n")
    (tmp_path / "base.txt").write_text("base==1.0\n-r sub/more.txt\n")
    (tmp_path / "sub" / "more.txt").write_text("more==2.0\n-c limits.txt\n--pre\n")
    (tmp_path / "sub" / "limits.txt").write_text(
        "limit<3\nother==1 ; os_name == 'no'\n-r ../in.txt"
    )
    (tmp_path / "in.txt").write_text("inner==1.0\n")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "six==1.16.0",
        "Six_X.y == 1.16.0 # note",
        "six==1.16.0#no-comment",
        "six==1.16.0\t# note",
        "six==1.16.0 # note \\\nidna==1\nattrs==2",
        "# note \\\nsix==1",
        "  # note \\\n  six==1",
        "six==\\\n1.0",
        "six==1.0 \\\n\nidna==2",
        "six==1.0 \\\n# note\nidna==2",
        "six==1.0 \\\\\n  --hash=sha256:" + SHA,
        f"six==1.0\\\n--hash=sha256:{SHA}",
        f"six==1.0\\\n --hash=sha256:{SHA}",
        f"six==1.0 \\\n  --hash=sha256:{SHA} \\\n  --hash=sha256:{SHB} # note\nidna==2",
        f"six==1.0 --hash sha256:{SHA} \\",
        f"six==1.0\t--hash=sha256:{SHA}",
        f"six==1.0 ; os_name != 'x' --hash=sha256:{SHA}",
        "six==1.0\r\nidna==2\r\n",
        "six==1.0\rattrs==3\x0cidna==2\u2028yarl==4",
        "six==1.0 # a\x0cidna==2",
        "six===1.0",
        "six===what_ever",
        "six==v1.0",
        "six==1.0-1",
        "six==1.0+ABC_d",
        "six==1.0-foo",
        "six (==1.0)",
        "six(>=1,<2)",
        "six==1.*",
        "six>=1.0,==1.0",
        "six [a, B_c] ==1.0 ;python_version>'3'",
        "six==1.0;",
        "six==1.0 ; extra == 'x'\nidna==1",
        "six==1.0 ; python_version < '3'\nsix==2.0 ; python_version >= '3'",
        "six==${ENVMAGIC_V}\nidna==1.0${ENVMAGIC_EMPTY}",
        "six==${ENVMAGIC_V}\n-i https://${envmagic_v}/${ENVMAGIC_UNSET}",
        "-r base.txt",
        "-rbase.txt\nsix==1",
        "--requirement=base.txt",
        "-c sub/limits.txt\nsix==1",
        "--constraint sub/limits.txt\nsix==1",
        "six==1\n-i https://h/simple\n--extra-index-url=https://i/simple\n-f links\n-f nowhere",
        "six==1\n--index-url https://h/simple --pre --prefer-binary",
        "six==1\n--no-index\n--find-links https://h/links",
        "six @ https://u:p@h/six-1.0.zip",
        f"six @ https://h/six-1.0.zip#sha256={SHA}",
        f"six[a] @ git+https://h/six@{COMMIT}#subdirectory=a ; python_version > '3'",
        f"git+https://h/six@{COMMIT}#egg=six",
        f"git+https://h/six@{COMMIT}#subdirectory=a&egg=six",
        f"-e git+https://h/six@{COMMIT}#egg=six",
        f'-e "six[a] @ git+https://h/six@{COMMIT}"',
        "https://h/six-1.0-py3-none-any.whl",
        "https://h/six-1.0-py3-none-any.whl ; python_version > '3'",
        "https://h/six-1.0-py3-none-any.whl ; python_version < '3'\nidna==1",
        "file:///w/six-1.0-py3-none-any.whl#egg=six",
        "./six-1.0-py3-none-any.whl",
        "six-1.0-1-py3-none-any.whl",
        "-e file:///w/six#egg=six",
        "file:///w/six#egg=six",
        "six @ file:///w/six",
        # Neither understands these.
        "six=1.0",
        "six==1.0 idna==2",
        "six==1.0 ; what == 'x'",
        "six==1 --hash=md5:abc",
        "six==1 --hash=abc",
        "--unknown",
        "-r none.txt",
        "-r lock.txt",
        "-i 'x",
        "-z",
        "-r",
        "--pre=1",
        "!!",
        "https://h/x.whl",
        "https://h/x.zip#egg=-x",
        "-e https://h/x.zip",
        "-e git+https://h/x",
    ],
)
def test_pip_reads_the_same(folder: Path, text: str) -> None:
    path = folder / "lock.txt"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        ask_pip(path)
    except (PipError, ValueError):
        with pytest.raises(LockError):
            ask_us(path)
    else:
        assert_same(path)


def test_pip_reads_the_same_name_of_an_editable_folder(folder: Path) -> None:
    path = folder / "lock.txt"
    path.write_text("-e ./project\n-e ./project[x]\n", encoding="utf-8")
    theirs, _ = ask_pip(path)
    (ours,), _ = ask_us(path)
    # pip learns the name when it builds.
    assert [line._replace(name=ours.name) for line in theirs] == [
        ours._replace(extras=frozenset()),
        ours,
    ]


NAME = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True)
VERSION = st.from_regex(
    r"(1!)?[0-9]{1,2}(\.[0-9]{1,2}){0,2}(rc1|\.post2|-1|\.dev3)?(\+cu1)?", fullmatch=True
)
SPACE = st.sampled_from(["", "", " ", "  ", "\t", " \\\n", "\\\n  "])
MARKER = st.sampled_from(
    [
        "",
        "",
        ";python_version>'3'",
        " ; python_version < '3'",
        " ; os_name == 'x' or 'b' != os_name",
    ]
)
EXTRAS = st.sampled_from(["", "", "", "[a]", "[ A_b,c ]"])
HASH = st.sampled_from(
    ["", "", f" --hash=sha256:{SHA}", f" \\\n    --hash=sha256:{SHA} \\\n    --hash sha256:{SHB}"]
)
COMMENT = st.sampled_from(["", "", " # note", " #", "  # note -r x", "#glued", " # a \\", " \\"])
OPERATOR = st.sampled_from(["==", "==", "==", "===", ">=", "~=", "!="])
REQUIREMENT = st.tuples(
    SPACE, NAME, EXTRAS, SPACE, OPERATOR, SPACE, VERSION, MARKER, HASH, COMMENT
).map("".join)
OTHER = st.sampled_from(
    ["", "# note", "  # note \\", "--pre", "--no-index", "-i https://h/simple", "\x0c", " \\"]
)


@given(st.lists(st.one_of(REQUIREMENT, REQUIREMENT, OTHER), min_size=1, max_size=4))
def test_pip_reads_the_same_of_generated_files(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"generated-{os.getpid()}.txt"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    try:
        theirs, their_options = ask_pip(path)
    except (PipError, ValueError):
        with pytest.raises(LockError):
            ask_us(path)
        return
    try:
        ours, our_options = ask_us(path)
    except LockError as error:
        # What pip lets pass: no pin, words that get lost, a hash that no file has, a clash.
        known = (
            "pins nothing",
            "is not alone on its line",
            "stands behind an option",
            "is not a hash",
            " here and ",
        )
        assert all(any(words in fault.text for words in known) for fault in error.faults)  # noqa: PT017
        return
    if len(ours) == len(theirs):
        assert in_order(ours) == in_order(theirs)
    assert {line.name for line in ours} == {line.name for line in theirs}
    assert our_options == their_options
