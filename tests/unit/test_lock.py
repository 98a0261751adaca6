"""What a requirements file pins, and every way in which it can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.version import Version

from envmagic.core.lock import LockError, dump_lock, parse_lock
from envmagic.core.model import INDEX, Lock, Name, Pin, Source, SourceKind, canonical_name

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
HERE = str(Path.cwd())
MARKERS = {key: str(value) for key, value in default_environment().items()}
SHA = "a" * 64
SHB = "b" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "base.txt": "numpy==1.26.4\n",
    "constraints.txt": "urllib3<2\nidna==3.7\n",
    "bad.txt": "six==1.16.0\nnumpy\n",
    "loop.txt": "six==1.16.0\n-r first_env.txt\n",
    "sub/more.txt": "-r deeper.txt\n./near\n",
    "sub/deeper.txt": "six==1.16.0\n",
    f"{HERE}/project/pyproject.toml": '[other]\nname = "no"\n[project]\nname = "From.Toml"\n',
    f"{HERE}/old/pyproject.toml": "[build-system]\nrequires = []\n",
    f"{HERE}/old/setup.cfg": "[metadata]\nversion = 1\nname = from_cfg\n",
    f"{HERE}/sub/near/pyproject.toml": "[project]\nname='near'\n",
    f"{HERE}/mono/python/pyproject.toml": "[project]\nname='mono'\n",
}


def read(path: str) -> str:
    if path == "latin.txt":
        return b"\xe9".decode("utf-8")
    if path in {"folder", f"{HERE}/folder"}:
        raise IsADirectoryError(21, "Is a directory", path)
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def parse(
    text: str, *, allow_ranges: bool = False, environ: Mapping[str, str] | None = None
) -> Lock:
    return parse_lock(
        text,
        "first_env.txt",
        read=read,
        markers=MARKERS,
        allow_ranges=allow_ranges,
        environ=environ or {},
    )


def faults(
    text: str, *, allow_ranges: bool = False, environ: Mapping[str, str] | None = None
) -> list[str]:
    with pytest.raises(LockError) as caught:
        parse(text, allow_ranges=allow_ranges, environ=environ)
    assert caught.value.message == "\n".join(map(str, caught.value.faults))
    assert caught.value.exit_code == 2
    assert all(fault.text and fault.hint for fault in caught.value.faults)
    return [str(fault) for fault in caught.value.faults]


def only(text: str, *, allow_ranges: bool = False) -> Pin:
    (pin,) = parse(text, allow_ranges=allow_ranges).pins
    return pin


def blank(pins: tuple[Pin, ...]) -> list[Pin]:
    return [replace(pin, where="") for pin in pins]


@pytest.mark.parametrize(
    ("line", "version", "specifier"),
    [
        ("numpy==1.26.4", Version("1.26.4"), "==1.26.4"),
        ("numpy == 1.26.4", Version("1.26.4"), "==1.26.4"),
        ("  numpy==1.26.4  # why", Version("1.26.4"), "==1.26.4"),
        ("numpy==1.26.4 #", Version("1.26.4"), "==1.26.4"),
        ("numpy (==1.26.4)", Version("1.26.4"), "==1.26.4"),
        ("numpy==2.4.0+cu121", Version("2.4.0+cu121"), "==2.4.0+cu121"),
        ("numpy==1!2.0.post1.dev3", Version("1!2.0.post1.dev3"), "==1!2.0.post1.dev3"),
        ("numpy===1.26.4", Version("1.26.4"), "===1.26.4"),
        ("numpy===that_one", "that_one", "===that_one"),
        ("numpy==\\\n1.26.4", Version("1.26.4"), "==1.26.4"),
        ("\ufeffnumpy==1.26.4\r\n", Version("1.26.4"), "==1.26.4"),
        ("\n\n# note \\\nnumpy==1.26.4", Version("1.26.4"), "==1.26.4"),
    ],
)
def test_a_pin(line: str, version: object, specifier: str) -> None:
    pin = only(line)
    assert (pin.name, pin.version, pin.specifier) == ("numpy", version, specifier)
    assert (pin.source, pin.marker, pin.extras, pin.hashes) == (INDEX, "", frozenset(), ())


def test_where_is_the_first_line_of_what_is_continued() -> None:
    lock = parse(
        f"# head\n\nsix==1.16.0 \\\n  --hash=sha256:{SHA}\n\nNum_Py==1\n  # via\nPy.Yaml==2"
    )
    assert [(pin.name, pin.where) for pin in lock.pins] == [
        ("six", "first_env.txt:3"),
        ("num-py", "first_env.txt:6"),
        ("py-yaml", "first_env.txt:8"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"six==1 --hash=sha256:{SHA} --hash=sha256:{SHB}",
        f"six==1 \\\n    --hash=sha256:{SHA} \\\n    --hash=sha256:{SHB}\n    # via x",
        f"six==1 --hash sha256:{SHA} --hash=sha256:{SHB.upper()}",
        f"six==1 ; python_version > '3' --hash=sha256:{SHA} --hash=sha256:{SHB}",
        f"six==1 --hash=sha256:{SHA}\nsix==1.0 --hash=sha256:{SHB} --hash=sha256:{SHA}",
    ],
)
def test_hashes(text: str) -> None:
    assert only(text).hashes == (f"sha256:{SHA}", f"sha256:{SHB}")


@pytest.mark.parametrize("size", [("sha384", 96), ("sha512", 128)])
def test_longer_hashes(size: tuple[str, int]) -> None:
    text = f"{size[0]}:{'0' * size[1]}"
    assert only(f"six==1 --hash={text}").hashes == (text,)


def test_extras_and_markers() -> None:
    pin = only("Foo[B_b, a]==1.0 ; python_version >= '3.0'")
    assert pin.extras == {"b-b", "a"}
    assert pin.marker == 'python_version >= "3.0"'
    lock = parse("six==1\nfoo==1.0 ; python_version < '3.0'\nfoo==2.0 ; python_version >= '3.0'")
    assert [pin.specifier for pin in lock.pins] == ["==1", "==2.0"]
    assert only("six==1 ;").marker == ""


def test_what_is_left_out_need_not_be_pinned() -> None:
    assert len(parse("six==1\nnumpy ; python_version < '3'").pins) == 1


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("foo==1\nfoo[x]==1.0 ; os_name != ''", ""),
        ("foo==1 ; os_name != 'x'\nfoo[x]==1.0 ; os_name != 'x'", 'os_name != "x"'),
        (
            "foo==1 ; os_name != 'x'\nfoo[x]==1 ; os_name != 'y'",
            'os_name != "x" or os_name != "y"',
        ),
    ],
)
def test_twins_that_agree_are_one(text: str, marker: str) -> None:
    pin = only(text)
    assert (pin.extras, pin.marker, pin.where) == (frozenset("x"), marker, "first_env.txt:1")


ARCHIVE_URL = "https://host/p/foo-1.0-py3-none-any.whl"
ARCHIVE = Source(kind=SourceKind.ARCHIVE, url=ARCHIVE_URL)
VCS = Source(kind=SourceKind.VCS, url="https://host/x.git", vcs="git", commit=COMMIT)


def folder(path: str, *, editable: bool = False, subdirectory: str = "") -> Source:
    return Source(
        kind=SourceKind.DIRECTORY,
        url=f"file://{HERE}/{path}",
        editable=editable,
        subdirectory=subdirectory,
    )


@pytest.mark.parametrize(
    ("line", "name", "source", "url"),
    [
        (f"foo @ {ARCHIVE_URL}", "foo", ARCHIVE, ARCHIVE_URL),
        (ARCHIVE_URL, "foo", ARCHIVE, ARCHIVE_URL),
        (
            f"foo @ https://u:p@host/foo.zip?a=1#sha256={SHA}",
            "foo",
            Source(
                kind=SourceKind.ARCHIVE, url="https://host/foo.zip?a=1", hashes=(f"sha256:{SHA}",)
            ),
            f"https://u:p@host/foo.zip?a=1#sha256={SHA}",
        ),
        (
            "https://host/foo.zip#md5=00&egg=foo",
            "foo",
            Source(kind=SourceKind.ARCHIVE, url="https://host/foo.zip"),
            "https://host/foo.zip#md5=00",
        ),
        (
            f"foo @ git+https://t@host/x.git@{COMMIT}",
            "foo",
            VCS,
            f"git+https://t@host/x.git@{COMMIT}",
        ),
        (
            f"git+https://host/x.git@{COMMIT}#egg=foo&subdirectory=a/b",
            "foo",
            replace(VCS, subdirectory="a/b"),
            f"git+https://host/x.git@{COMMIT}#subdirectory=a/b",
        ),
        (
            f"-e git+https://host/x.git@{COMMIT}#egg=Foo_x",
            "foo-x",
            replace(VCS, editable=True),
            f"git+https://host/x.git@{COMMIT}#egg=foo-x",
        ),
        (
            f"git+ssh://git@host/x.git@{COMMIT}#egg=foo",
            "foo",
            replace(VCS, url="ssh://git@host/x.git"),
            f"git+ssh://git@host/x.git@{COMMIT}",
        ),
        (
            f"foo @ git+file:///r/x@{COMMIT}",
            "foo",
            replace(VCS, url="file:///r/x"),
            f"git+file:///r/x@{COMMIT}",
        ),
        (
            "foo @ svn+https://host/x@42",
            "foo",
            Source(kind=SourceKind.VCS, url="https://host/x", vcs="svn", commit="42"),
            "svn+https://host/x@42",
        ),
        ("./project", "from-toml", folder("project"), f"file://{HERE}/project"),
        ("foo @ file:old", "foo", folder("old"), f"file://{HERE}/old"),
        (
            "-e project",
            "from-toml",
            folder("project", editable=True),
            f"file://{HERE}/project#egg=from-toml",
        ),
        (
            "--editable=./old/",
            "from-cfg",
            folder("old", editable=True),
            f"file://{HERE}/old#egg=from-cfg",
        ),
        (
            "-e ./mono#subdirectory=python",
            "mono",
            folder("mono", editable=True, subdirectory="python"),
            f"file://{HERE}/mono#subdirectory=python&egg=mono",
        ),
        (
            "-e file:///else/where#egg=foo",
            "foo",
            Source(kind=SourceKind.DIRECTORY, url="file:///else/where", editable=True),
            "file:///else/where#egg=foo",
        ),
        (
            "./wheels/foo-1.0-1-py3-none-any.whl",
            "foo",
            Source(kind=SourceKind.ARCHIVE, url=f"file://{HERE}/wheels/foo-1.0-1-py3-none-any.whl"),
            f"file://{HERE}/wheels/foo-1.0-1-py3-none-any.whl",
        ),
        (
            "foo-1.0-py3-none-any.whl",
            "foo",
            Source(kind=SourceKind.ARCHIVE, url=f"file://{HERE}/foo-1.0-py3-none-any.whl"),
            f"file://{HERE}/foo-1.0-py3-none-any.whl",
        ),
    ],
)
def test_a_direct_url(line: str, name: str, source: Source, url: str) -> None:
    pin = only(line)
    assert (pin.name, pin.source, pin.url) == (name, source, url)
    assert (pin.version, pin.specifier, pin.hashes) == (None, "", source.hashes)


@pytest.mark.parametrize(
    "line",
    [
        f"foo[a,b] @ git+https://host/x.git@{COMMIT} ; python_version > '3'",
        f"git+https://host/x.git@{COMMIT}#egg=foo[a,b] ; python_version > '3'",
        "./project[a,b] ; python_version > '3'",
        f"-e \"foo[a,b] @ git+https://host/x.git@{COMMIT} ; python_version > '3'\"",
    ],
)
def test_extras_and_markers_of_a_direct_url(line: str) -> None:
    pin = only(line)
    assert (pin.extras, pin.marker) == (frozenset("ab"), 'python_version > "3"')


def test_extras_of_an_editable_folder() -> None:
    assert only("-e ./project[x]").extras == {"x"}


def test_a_hash_beside_a_direct_url() -> None:
    pin = only(f"foo @ {ARCHIVE_URL}#sha256={SHA} --hash=sha256:{SHB}")
    assert pin.hashes == (f"sha256:{SHA}", f"sha256:{SHB}")
    assert pin.source.hashes == (f"sha256:{SHA}",)


@pytest.mark.parametrize("line", ["-r base.txt", "-rbase.txt", "--requirement ./base.txt"])
def test_an_included_file(line: str) -> None:
    lock = parse(
        f"six==1\n{line}\n--requirement=sub/more.txt\n-r file:base.txt".replace("six", "a")
    )
    assert [(pin.name, pin.where) for pin in lock.pins] == [
        ("a", "first_env.txt:1"),
        ("numpy", "base.txt:1"),
        ("six", "sub/deeper.txt:1"),
        ("near", "sub/more.txt:2"),
    ]
    assert lock.pins[-1].source == folder("sub/near")


def test_constraints_are_no_pins() -> None:
    lock = parse("six==1\n-c constraints.txt")
    assert [pin.name for pin in lock.pins] == ["six"]
    assert [(pin.name, pin.specifier) for pin in lock.constraints] == [
        ("urllib3", "<2"),
        ("idna", "==3.7"),
    ]


def test_ranges_where_they_are_asked_for() -> None:
    lock = parse("a\nb>=1\nc>=1,<2\nd==1.*\ne @ git+https://h/e@main", allow_ranges=True)
    assert [(pin.name, pin.version, pin.specifier) for pin in lock.pins] == [
        ("a", None, ""),
        ("b", None, ">=1"),
        ("c", None, "<2,>=1"),
        ("d", None, "==1.*"),
        ("e", None, ""),
    ]
    assert lock.pins[-1].source.commit == "main"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://u:p@host/simple?a&b",
        "-i https://host/simple",
        "--extra-index-url=https://host/simple",
        "--no-index",
        "--find-links https://host/links",
        "-f elsewhere",
        "--no-binary :all:",
        "--only-binary=numpy,six",
        "--prefer-binary",
        "--pre",
        "--trusted-host host:80",
        "--use-feature fast-deps",
        "--require-hashes",
    ],
)
def test_an_option_is_kept_as_it_is(line: str) -> None:
    lock = parse(f"six==1 --hash=sha256:{SHA}\n  {line}  # why")
    assert lock.options == (line,)
    assert lock.require_hashes is (line == "--require-hashes")


def test_options_that_share_a_line() -> None:
    lock = parse("--no-index -f folder --pre\nsix==1")
    assert lock.options == ("--no-index", f"--find-links {HERE}/folder", "--pre")


def test_links_beside_the_file_are_found() -> None:
    assert parse("-f sub/../base.txt\nsix==1").options == ("-f sub/../base.txt",)
    FILES[f"{HERE}/links.html"] = ""
    assert parse("-f links.html\nsix==1").options == (f"--find-links {HERE}/links.html",)


def test_variables_of_the_environment() -> None:
    lock = parse(
        "six==${V}\n-i https://${USER}:${lower}@h/${UNSET}", environ={"V": "1", "USER": "u"}
    )
    assert lock.pins[0].specifier == "==1"
    assert lock.options == ("-i https://u:${lower}@h/${UNSET}",)


def test_variables_are_the_process_own_where_none_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENVMAGIC_TEST_VERSION", "3")
    text = "six==${ENVMAGIC_TEST_VERSION}"
    (pin,) = parse_lock(text, "a.txt", read=read, markers=MARKERS).pins
    assert pin.specifier == "==3"


def test_what_freeze_could_not_lock() -> None:
    text = "# envmagic: not locked: My_Tool==1.0 (editable)\n# envmagic: not locked: b\nsix==1\n"
    lock = parse(text)
    assert lock.not_locked == ("my-tool", "b")
    assert parse(dump_lock(lock)).not_locked == lock.not_locked


def test_the_digest_is_of_all_the_text() -> None:
    digests = {parse(text).digest for text in ("a==1", "a==1\n", "a==1\n-r base.txt")}
    assert len(digests) == 3
    assert all(len(digest) == len("sha256:") + 64 for digest in digests)


NOT_PINNED = "write `numpy==VERSION`, or run with --allow-ranges"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("numpy", f"`numpy` is not pinned ({NOT_PINNED})"),
        ("numpy>=1", f"`numpy>=1` is a range, not a pin ({NOT_PINNED})"),
        ("numpy>=1,<2", f"`numpy<2,>=1` is a range, not a pin ({NOT_PINNED})"),
        ("numpy==1.*", f"`numpy==1.*` is a range, not a pin ({NOT_PINNED})"),
        ("numpy~=1.0", f"`numpy~=1.0` is a range, not a pin ({NOT_PINNED})"),
        ("numpy!=1.0", f"`numpy!=1.0` is a range, not a pin ({NOT_PINNED})"),
        ("numpy=1.0", "`numpy=1.0` has one `=`; a pin has two (write `numpy==1.0`)"),
        ("numpy==1.x", "`1.x` is not a version (write it as `1.26.4`, or behind"),
        ("numpy==1.0 six==1", "`numpy==1.0 six==1` is not a requirement: expected"),
        ("-r none.txt", "`none.txt` cannot be read: No such file or directory (paths are"),
        ("-c none.txt", "`none.txt` cannot be read: No such file or directory (paths are"),
        ("-r folder", "`folder` cannot be read: Is a directory (paths are"),
        ("-r latin.txt", "`latin.txt` is not UTF-8 (save it as UTF-8 text)"),
        ("-r https://h/r.txt", "`-r https://h/r.txt` is on the web (save it and write `-r FILE`)"),
        ("-r first_env.txt", "the files include each other: first_env.txt → first_env.txt"),
        ("-r", "`-r` has no value (write `--requirement VALUE`)"),
        ("--pree", "unknown option `--pree` (did you mean `--pre`?)"),
        ("--pre=1", "unknown option `--pre=1` (did you mean `--pre`?)"),
        ("-z 1", "unknown option `-z` (remove it)"),
        ("--pre 1", "`1` stands behind an option that does not take it (put it on a line"),
        ("-e foo ; os_name == 'x'", "`;` stands behind an option that does not take it"),
        ("numpy==1 --pre", "`--pre` is not alone on its line (put it on a line of its own)"),
        ("--pre -e ./project", "`--editable` is not alone on its line (put it on a line"),
        ("-e ./project --pre", "`--pre` is not alone on its line (put it on a line"),
        ("numpy==1 -C a=b", "`--config-settings` for one line is not supported (remove it)"),
        ("numpy==1 --global-option=x", "`--global-option` for one line is not supported"),
        ("-i 'x", "`-i 'x` has a quotation mark that is not closed (close the"),
        (f"--hash=sha256:{SHA}", "`--hash` without a requirement (put it on the line"),
        ("numpy==1 --hash=abc", "`abc` is not a hash: no algorithm (write `--hash=sha256:`"),
        ("numpy==1 --hash=sha256:abc", "`sha256:abc` is not a hash: sha256 has 64 hex digits"),
        ("numpy==1 --hash=md5:abc", "a hash of `md5` does not protect (write `--hash=sha256:`"),
        ("numpy==1 --hash=sha1:abc", "a hash of `sha1` does not protect (write `--hash=sha256:`"),
        ("foo @ https://h/foo.zip#sha256=1", "`sha256:1` is not a hash: sha256 has 64 hex digits"),
        ("numpy==1 ; python > '3'", "bad marker `python > '3'`: "),
        ("numpy==1 ; python_version", "bad marker `python_version`: "),
        ("numpy==1 ; os_name ~= 'x'", 'the marker `os_name ~= "x"` has no answer: '),
        ("https://h/x-1.0.tar.gz", "`https://h/x-1.0.tar.gz` does not tell its name (write `NAME"),
        ("https://h/x.whl", "`x.whl` is not the name of a wheel (a wheel is called"),
        ("https://[h/x.whl", "`https://[h/x.whl` is not a URL: Invalid IPv6 URL (write"),
        ("./nothing", f"`file://{HERE}/nothing` does not tell its name (write `NAME @ URL`)"),
        ("-e ./nothing", f"`file://{HERE}/nothing` does not tell its name (add `#egg=NAME`"),
        ("-e https://h/x.zip#egg=x", "`https://h/x.zip#egg=x` is an archive, which cannot be"),
        ("-e ./x.zip#egg=x", f"`file://{HERE}/x.zip#egg=x` is an archive, which cannot be"),
        ("foo @ ./dir", "`./dir` is not a URL (write `foo @ https://…`"),
        ("foo @ file://host/dir", "`file://host/dir` is on another host (write `file:///`"),
        (
            "foo[x @ https://h/x.zip",
            "`foo[x @ https://h/x.zip` is neither a path nor a URL of pip (write",
        ),
        ("foo @", "`foo @` is not a requirement: "),
        ("git+https://h/x#egg=-x-", "`#egg=-x-` is not a name (write `NAME @ URL`)"),
        ("x @ git+https://h/x@main", "`x` is not pinned: `@main` can move (use the full commit"),
        ("x @ git+https://h/x@0123abc", "`x` is not pinned: `@0123abc` can move (use the full"),
        ("x @ git+https://h/x", "`x` is not pinned: no commit is named (use the full commit"),
        ("-nonsense-", "unknown option `-nonsense-` ("),
        ("!!!", "`!!!` is not a requirement: expected"),
    ],
)
def test_a_fault(line: str, fault: str) -> None:
    (found,) = faults(f"six==1.16.0\n{line}\n")
    assert found.startswith(f"first_env.txt:2: {fault}")


def test_all_faults_are_told_at_once_in_order() -> None:
    found = faults("numpy\nsix==1\n-r bad.txt\n--what\nsix==2\nidna>=3\n")
    assert [line.partition(": ")[0] for line in found] == [
        "first_env.txt:1",
        "first_env.txt:4",
        "first_env.txt:5",
        "first_env.txt:6",
        "bad.txt:1",
        "bad.txt:2",
    ]


@pytest.mark.parametrize(
    ("one", "other", "described"),
    [
        ("six==1", "Six==2", "`six` is `==2` here and `==1` in first_env.txt:1"),
        ("six==1", "six==1+cpu", "`six` is `==1+cpu` here and `==1` in first_env.txt:1"),
        ("six==1", "six===1", "`six` is `===1` here and `==1` in first_env.txt:1"),
        (
            f"six @ git+https://u:p@h/six@{COMMIT}",
            "six==1",
            f"`six` is `==1` here and `https://h/six@{COMMIT}` in first_env.txt:1",
        ),
        (
            "six==1",
            "six @ https://u:p@h/six.zip?token=p",
            "`six` is `https://h/six.zip` here and `==1` in first_env.txt:1",
        ),
    ],
)
def test_twins_that_disagree(one: str, other: str, described: str) -> None:
    (found,) = faults(f"{one}\n{other}\n")
    assert found == f"first_env.txt:2: {described} (keep one of the two lines)"


def test_a_range_and_any_version_disagree() -> None:
    (found,) = faults("six\nsix>=1\n", allow_ranges=True)
    assert "`six` is `>=1` here and any version in first_env.txt:1" in found


def test_a_loop_is_named() -> None:
    (found,) = faults("-r loop.txt\n")
    assert found.startswith("loop.txt:2: ")
    assert "first_env.txt → loop.txt → first_env.txt" in found


def test_the_same_file_twice_is_no_loop() -> None:
    assert only("-r base.txt\n-r base.txt").name == "numpy"


@pytest.mark.parametrize("line", ["-e ./project", "foo[x]==1"])
def test_what_a_constraint_cannot_have(line: str) -> None:
    FILES["bad-constraints.txt"] = f"{line}\n"
    (found,) = faults("six==1\n-c bad-constraints.txt")
    assert found.startswith("bad-constraints.txt:1: a constraint cannot have an e")


def test_every_pin_needs_a_hash_where_hashes_are_required() -> None:
    found = faults(
        f"numpy==1\n--require-hashes\nfoo @ {ARCHIVE_URL}#sha256={SHA}\n"
        f"six==1 --hash=sha256:{SHA}\nx @ git+https://h/x@{COMMIT}"
    )
    assert found == [
        f"first_env.txt:{line}: `{name}` has no hash, and `--require-hashes` asks for one "
        "(add `--hash=sha256:…`, or remove `--require-hashes`)"
        for line, name in ((1, "numpy"), (5, "x"))
    ]


@pytest.mark.parametrize(
    "text", ["", "\n# only a note\n", "--pre\n", "-c constraints.txt", "\ufeff"]
)
def test_an_empty_lock(text: str) -> None:
    (found,) = faults(text)
    assert found.startswith("first_env.txt:1: pins nothing (write a `NAME==VERSION` line")


def test_every_marker_false() -> None:
    (found,) = faults("six==1 ; python_version < '3'\nidna==1 ; os_name == 'x'\n")
    assert "the marker of every line is false for Python 3." in found


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("# made by conda\nname: env\ndependencies:\n  - numpy=1.26\n" * 9, 2, "YAML, as of conda"),
        ("---\nname: env\n", 1, "YAML, as of conda"),
        ("[project]\nname = 'x'\n", 1, "TOML"),
        ("# poetry\n[[package]]\nname = 'x'\n", 2, "TOML"),
        ("version = 1\nrevision = 3\n", 1, "TOML"),
        ('lock-version = "1.0"\n', 1, "TOML"),
        ("\n<!DOCTYPE html>\n<html>", 2, "a web page"),
        ('{"cells": []}\n', 1, "JSON"),
        ("# platform\n@EXPLICIT\nhttps://repo/x.conda", 2, "a list of conda packages"),
        ("_libgcc_mutex=0.1=main\nnumpy=1=py_0\n", 1, "a list of conda packages"),
        ("Package    Version\n---------- -------\n", 1, "the table of `pip list`"),
    ],
)
def test_another_kind_of_file(text: str, line: int, what: str) -> None:
    (found,) = faults(text)
    assert found.startswith(f"first_env.txt:{line}: is {what}, not a requirements file (")


def test_a_file_that_is_no_text() -> None:
    assert faults("PK\0\0") == ["first_env.txt:1: is not a text (give the requirements file)"]


@pytest.mark.parametrize("path", ["pylock.toml", "a/pylock.dev.toml"])
def test_pylock_is_not_supported_yet(path: str) -> None:
    with pytest.raises(LockError, match="not supported by this version yet") as caught:
        parse_lock("", path, read=read, markers=MARKERS)
    assert caught.value.faults[0].where == f"{path}:1"


@pytest.mark.parametrize(
    "line",
    [
        "-r https://me:hunter2@h/r.txt",
        "https://me:hunter2@h/x.tar.gz",
        "https://me:hunt@hunter2@h/x.tar.gz",
        "-e https://me:hunter2@h/x.zip",
        "https://me:hunter2@[h/x.zip",
        "x @ git+https://hunter2@h/x@main",
        "-e git+https://hunter2@h/x@main#egg=x",
        "git+https://me:hunter2@h/x#egg=-",
        "x @ https://me:hunter2@h/x.zip y",
        "x[y @ https://me:hunter2@h/x.zip",
        "-e what://me:hunter2@h/x",
        "-e what:/me:hunter2@h/x",
        "-r what://me:hunter2@h/x",
        "-i 'https://me:hunter2@h/",
        "--indx-url=https://me:hunter2@h/",
        "-i x https://me:hunter2@h/",
        "six==2 ; https://me:hunter2@h/",
        "six @ https://me:hunter2@h/six.zip",
        "https://h/${TOKEN}/x.tar.gz?token=${TOKEN}",
        "https://h/x.tar.gz?token=hunter2",
        "https://u:x/hunter2@h/x.tar.gz",
        "x @ git+https://u:x/hunter2@h/x@main",
    ],
)
def test_no_message_tells_a_secret(line: str) -> None:
    found = faults(f"six==1\n{line}\n", environ={"TOKEN": "hunter2", "EMPTY": ""})
    assert "hunter2" not in "".join(found)


def test_no_source_tells_a_secret() -> None:
    lines = [
        f"x @ git+https://me:hunter2@h/x@{COMMIT}",
        "y @ https://me:hunter2@h/y.zip",
        "z @ https://me:x/hunter2@h/z.zip",
    ]
    for pin in parse("\n".join(lines)).pins:
        assert "hunter2" not in pin.source.url
        assert "hunter2" in pin.url


def test_a_plain_lock_does_not_wait_for_packaging() -> None:
    program = (
        "import sys, json\n"
        "from envmagic.core.lock import parse_lock\n"
        f"text = 'six==1 \\\\\\n    --hash=sha256:{SHA}\\n# note\\nnumpy==1.26.4  # x\\n'\n"
        "lock = parse_lock(text, 'a.txt', read=open, markers={})\n"
        "assert len(lock.pins) == 2\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('packaging.')]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True
    )
    heavy = {"packaging.requirements", "packaging.specifiers", "packaging.markers"}
    assert not heavy & set(json.loads(done.stdout))


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).map(canonical_name)
RELEASES = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)
VERSIONS = st.builds(
    "{}{}{}".format, RELEASES, st.sampled_from(["", "rc1", ".post2"]), st.sampled_from(["", "+cu1"])
)
EXTRAS = st.frozensets(NAMES, max_size=2)
HASHES = st.lists(
    st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2, unique=True
).map(lambda found: tuple(f"sha256:{digest}" for digest in found))
TRUE_MARKERS = st.sampled_from(
    ["", 'python_version >= "3"', 'os_name != "it\'s" and (os_name != "a" or os_name != "b")']
)
INDEX_PINS = st.builds(
    lambda name, operator, version, marker, extras, hashes: Pin(
        name=name,
        version=Version(version),
        specifier=f"{operator}{version}",
        marker=marker,
        extras=extras,
        hashes=hashes,
    ),
    NAMES,
    st.sampled_from(["==", "==="]),
    VERSIONS,
    TRUE_MARKERS,
    EXTRAS,
    HASHES,
)


@st.composite
def direct_pins(draw: st.DrawFn) -> Pin:
    name = draw(NAMES)
    extras = draw(EXTRAS)
    marker = draw(TRUE_MARKERS)
    names = f"{name}[{','.join(extras)}]" if extras else str(name)
    tail = f" ; {marker}" if marker else ""
    url = draw(
        st.sampled_from(
            [
                f"git+https://u:p@host/x@{COMMIT}#subdirectory=a",
                f"git+file:///x@{COMMIT}",
                "file:///some/where",
                "https://host/x.zip?a=1",
                f"https://host/x.zip#sha256={SHA}",
            ]
        )
    )
    line = f"{names} @ {url}{tail}"
    if not url.startswith("https") and draw(st.booleans()):
        line = "-e '{}'".format(line.replace("'", "'\\''"))
    else:
        line += "".join(f" --hash={entry}" for entry in draw(HASHES))
    return only(line)


@given(st.lists(st.one_of(INDEX_PINS, direct_pins()), min_size=1, unique_by=lambda pin: pin.name))
def test_what_is_written_is_read_again(pins: list[Pin]) -> None:
    lock = Lock(path="first_env.txt", pins=tuple(pins), not_locked=(Name("other"),))
    again = parse(dump_lock(lock))
    assert blank(again.pins) == blank(lock.pins)
    assert again.not_locked == lock.not_locked
    assert dump_lock(again) == dump_lock(lock)


def test_options_are_written() -> None:
    text = f"--pre\n-i https://h/simple\nsix==1 --hash=sha256:{SHA}\n"
    lock = replace(parse(text), require_hashes=True)
    again = parse(dump_lock(lock))
    assert again.options == (*lock.options, "--require-hashes")
    assert dump_lock(again) == dump_lock(lock)


@given(st.text(st.sampled_from("ab=1.#\\ \n-r@:/;[]'\"$!+\t\r\x0c"), max_size=60))
def test_any_text_is_a_lock_or_a_lock_error(text: str) -> None:
    try:
        lock = parse(text, allow_ranges=True)
    except LockError as error:
        assert error.faults  # noqa: PT017 (either end is fine)
    else:
        assert lock.pins
