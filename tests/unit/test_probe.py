"""What is read of folders on `sys.path`: handmade ones, of every kind that tools leave."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from importlib.metadata import distributions as all_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from envmagic.core.model import (
    INDEX,
    Distribution,
    FindingKind,
    Name,
    Platform,
    Snapshot,
    Source,
    SourceKind,
    canonical_name,
)
from envmagic.edge.loaded import LoadedVersions
from envmagic.edge.origin import (
    read_source,
    source_from_json,
    source_to_json,
)
from envmagic.edge.probe import (
    installed_versions,
    look_at_platform,
    parse_header,
    take_snapshot,
)
from envmagic.edge.record import (
    can_be_uninstalled,
    missing_files,
    recorded_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA = "a" * 64


def write(base: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return base


def metadata(name: str, version: str = "1.0", *requires: str) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), "", "Words.\n"])


class FakePath:
    """The folders that stand in place of this interpreter's own site-packages."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch = patch
        self.site = folder / "site-packages"
        self.site.mkdir()
        self.own = [entry for entry in sys.path if "-packages" not in entry]
        self.entries: list[str] = []
        self.put(str(self.site))

    def put(self, *entries: str) -> None:
        self.entries = list(entries)
        self.patch.setattr(sys, "path", [*entries, *self.own])

    def add(self, folder: str, *requires: str, version: str = "1.0", **files: str) -> Path:
        name = folder.partition("-")[0]
        texts = {"METADATA": metadata(name, version, *requires)} | files
        return write(self.site / folder, texts)

    def look(self, *, conda: bool = False, virtual: bool = True, managed: bool = False) -> Snapshot:
        where = Platform(
            python="3.11.7",
            implementation="cpython",
            markers=(),
            executable="/env/bin/python",
            prefix=str(self.site.parent),
            virtual=virtual,
            site=(str(self.site),),
            conda=conda,
            externally_managed="/usr/lib/EXTERNALLY-MANAGED" if managed else "",
        )
        snapshot = take_snapshot(where)
        assert snapshot.platform == where
        return snapshot

    def only(self) -> Distribution:
        (found,) = self.look().distributions
        return found


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePath:
    return FakePath(monkeypatch, tmp_path)


def found_names(snapshot: Snapshot) -> list[str]:
    return [d.name for d in snapshot.distributions]


def test_a_distribution(path: FakePath) -> None:
    path.add("Foo_Bar-1.0.dist-info", "numpy>=1", 'x; extra == "y"')
    assert path.only() == Distribution(
        name=Name("foo-bar"),
        version=Version("1.0"),
        requires=("numpy>=1", 'x; extra == "y"'),
        location=str(path.site),
        metadata="Foo_Bar-1.0.dist-info",
    )
    assert path.look().findings == ()


def test_the_whole_of_this_interpreter_is_read_as_importlib_reads_it() -> None:
    expected = [
        (canonical_name(d.metadata["Name"]), d.version, tuple(d.requires or ()))
        for d in all_distributions()
    ]
    found = [(d.name, str(d.version), d.requires) for d in take_snapshot().distributions]
    assert sorted(found) == sorted(expected)


def test_windows_line_ends(path: FakePath) -> None:
    text = metadata("a", "2.0", "b", "c").replace("\n", "\r\n")
    path.add("a-2.0.dist-info", METADATA=text)
    assert (path.only().version, path.only().requires) == (Version("2.0"), ("b", "c"))


def test_the_description_is_not_the_header(path: FakePath) -> None:
    path.add("a-1.0.dist-info", METADATA=metadata("a") + "\nName: b\nRequires-Dist: c\n")
    assert (path.only().name, path.only().requires) == ("a", ())


@pytest.mark.parametrize("count", [0, 1, 100, 101, 400])
@pytest.mark.parametrize("end", ["\n\nWords\n", "\n\n", "\n", ""])
def test_headers_of_every_length(path: FakePath, count: int, end: str) -> None:
    requires = [f"a-long-name-of-a-project-{number:03}>=1" for number in range(count)]
    lines = ["Name: a", "Version: 1.0", *(f"Requires-Dist: {line}" for line in requires)]
    path.add("a-1.0.dist-info", METADATA="\n".join(lines) + end)
    assert path.only().requires == tuple(requires)


def test_an_egg_info_folder(path: FakePath) -> None:
    requires = "one>=1\n\n[x]\ntwo\n\n[:python_version < '3']\nthree\n"
    info = {"PKG-INFO": metadata("Old_One", "0.1"), "requires.txt": requires}
    write(path.site / "Old_One.egg-info", info)
    found = path.only()
    assert (found.name, str(found.version), found.metadata) == (
        "old-one",
        "0.1",
        "Old_One.egg-info",
    )
    assert found.requires == ("one>=1", 'two; extra == "x"', "three; python_version < '3'")


def test_an_egg_info_file(path: FakePath) -> None:
    write(path.site, {"older-0.2-py3.11.egg-info": metadata("older", "0.2")})
    assert (path.only().name, str(path.only().version)) == ("older", "0.2")


@pytest.mark.parametrize(
    "files",
    [
        {"empty-1.0.dist-info/RECORD": ""},
        {"empty-1.0.dist-info/METADATA": ""},
        {"empty-1.0.dist-info/METADATA": "Version: 1.0\n\n"},
        {"empty-1.0.dist-info/METADATA": "Name: empty\n\n"},
        {"empty-1.0.dist-info/METADATA/a-folder": ""},
        {"empty-1.0.dist-info": ""},
        {"empty.egg-info/SOURCES.txt": ""},
        {"empty.egg-info": ""},
    ],
)
def test_metadata_without_name_or_version_is_a_finding(
    path: FakePath, files: Mapping[str, str]
) -> None:
    write(path.site, files)
    path.add("a-1.0.dist-info")
    snapshot = path.look()
    assert found_names(snapshot) == ["a"]
    (finding,) = snapshot.findings
    assert finding.kind is FindingKind.UNREADABLE
    assert finding.name == canonical_name(finding.found.split("-")[0])
    assert finding.path == str(path.site / finding.found)
    assert finding.path in finding.text
    if finding.found.endswith(".dist-info"):
        assert snapshot.leftovers == (finding.path,)
        assert finding.hint == "a sync clears it away"
    else:
        assert snapshot.leftovers == ()
        assert finding.hint.startswith("move that folder away")


def test_a_leftover_of_pip_is_a_finding(path: FakePath) -> None:
    path.add("~ip-24.0.dist-info")
    path.add("~~umpy-2.0.dist-info")
    write(path.site, {"~orch/lib.so": "", "~orch.libs/x.so": "", "~x.py": "", "a~/x.py": ""})
    snapshot = path.look()
    assert snapshot.distributions == ()
    left = ["~ip-24.0.dist-info", "~orch", "~orch.libs", "~x.py", "~~umpy-2.0.dist-info"]
    assert [(f.kind, f.found) for f in snapshot.findings] == [
        (FindingKind.LEFTOVER, name) for name in left
    ]
    assert {f.hint for f in snapshot.findings} == {"a sync clears it away"}
    assert {f.name for f in snapshot.findings} == {"ip", "orch", "orch-libs", "x-py", "umpy"}
    assert snapshot.leftovers == tuple(str(path.site / name) for name in left)


def test_what_is_not_pip_s_to_change_is_no_leftover_of_ours(path: FakePath) -> None:
    path.add("~ip-24.0.dist-info")
    write(path.site, {"empty-1.0.dist-info/RECORD": ""})
    snapshot = path.look(managed=True)
    assert len(snapshot.findings) == 2
    assert snapshot.leftovers == ()
    assert all(f.hint.startswith("move that folder away") for f in snapshot.findings)


def test_only_the_site_folders_hold_what_pip_set_aside(path: FakePath) -> None:
    """A folder below the prefix is this environment's, too, but pip puts nothing there."""
    work = path.site.parent / "work"
    write(work, {"~draft/x.txt": "", "~lpha-1.0.dist-info/METADATA": ""})
    path.put(str(work), str(path.site))
    snapshot = path.look()
    assert [f.found for f in snapshot.findings] == ["~lpha-1.0.dist-info"]
    assert snapshot.leftovers == ()


def test_a_version_that_pep_440_cannot_read_is_kept_as_text(path: FakePath) -> None:
    path.add("a-odd.dist-info", version="2024-01-odd")
    assert path.only().version == "2024-01-odd"


def test_bytes_that_are_no_utf_8_do_not_matter(path: FakePath) -> None:
    base = path.add("a-1.0.dist-info")
    (base / "METADATA").write_bytes(
        b"Name: a\nVersion: 1.0\nAuthor: Andr\xe9\nRequires-Dist: b\n\n"
    )
    assert path.only().requires == ("b",)


@pytest.mark.parametrize("folder", ["empty-1.0.dist-info", "empty.egg-info", "~mpty-1.0.dist-info"])
def test_what_is_odd_outside_pip_s_own_folders_is_passed_over(
    path: FakePath, tmp_path: Path, folder: str
) -> None:
    work = tmp_path / "elsewhere" / "work"
    write(work, {f"{folder}/SOURCES.txt": "", "a-1.0.dist-info/METADATA": metadata("a")})
    path.put(str(work), str(path.site))
    snapshot = path.look(virtual=False)
    assert found_names(snapshot) == ["a"]
    assert snapshot.findings == ()


def editable(path: FakePath, tree: Path) -> None:
    data = {"url": tree.as_uri(), "dir_info": {"editable": True}}
    path.add("mine-1.0.dist-info", RECORD="", **{"direct_url.json": json.dumps(data)})


@pytest.mark.parametrize("below", ["", "src", "a folder/src"])
@pytest.mark.parametrize("virtual", [True, False])
def test_the_metadata_in_the_tree_of_an_editable_is_that_editable(
    path: FakePath, tmp_path: Path, below: str, *, virtual: bool
) -> None:
    tree = tmp_path / "tree"
    write(tree / below, {"mine.egg-info/PKG-INFO": metadata("mine", "0.9")})
    write(tree / below, {"other.egg-info/PKG-INFO": metadata("other")})
    write(tmp_path / "tree-2", {"mine.egg-info/PKG-INFO": metadata("mine", "0.8")})
    editable(path, tree)
    path.put(str(tree / below), str(path.site), str(tmp_path / "tree-2"))
    found = path.look(virtual=virtual).by_name()
    assert [str(d.version) for d in found[Name("mine")]] == ["1.0", "0.8"]
    assert found[Name("mine")][0].local
    assert [d.location for d in found[Name("other")]] == [str(tree / below)]


def test_a_copy_in_an_environment_that_lies_in_the_tree_is_one(
    path: FakePath, tmp_path: Path
) -> None:
    editable(path, tmp_path)
    path.add("mine-2.0.dist-info", version="2.0")
    assert [str(d.version) for d in path.look().by_name()[Name("mine")]] == ["1.0", "2.0"]


def link(path: FakePath, text: str, name: str = "Mine") -> None:
    write(path.site, {f"{name}.egg-link": text})


@pytest.mark.parametrize(
    ("below", "second"), [("", "\n."), ("", ""), ("src", "\n../"), ("lib/src", "\n../..")]
)
def test_what_setup_py_develop_linked_is_an_editable(
    path: FakePath, tmp_path: Path, below: str, second: str
) -> None:
    tree = tmp_path / "a tree"
    write(tree / below, {"mine.egg-info/PKG-INFO": metadata("mine", "0.9", "needed")})
    write(tree / below, {"other.egg-info/PKG-INFO": metadata("other")})
    link(path, f"{tree / below}{second}")
    path.put(str(path.site))
    found = path.only()
    assert found == Distribution(
        name=Name("mine"),
        version=Version("0.9"),
        requires=("needed",),
        source=Source(kind=SourceKind.DIRECTORY, url=tree.as_uri(), editable=True),
        location=str(tree / below),
        metadata="mine.egg-info",
    )
    assert can_be_uninstalled(found)
    path.put(str(tree / below), str(path.site))
    assert path.look().by_name()[Name("mine")] == (found,)


@pytest.mark.parametrize("text", ["", "\n\n", "/nowhere\n.", "../tree\n."])
def test_a_link_that_leads_nowhere_is_passed_over(
    path: FakePath, tmp_path: Path, text: str
) -> None:
    write(tmp_path / "tree", {"mine.egg-info/SOURCES.txt": "", "mine.egg-info.txt": ""})
    link(path, text)
    assert path.look().distributions == ()
    assert path.look().findings == ()


def test_a_link_that_is_no_utf_8_is_passed_over(path: FakePath) -> None:
    (path.site / "mine.egg-link").write_bytes(b"\xff\xfe")
    assert path.look().distributions == ()


def test_a_link_outside_pip_s_own_folders_is_none(path: FakePath, tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", {"mine.egg-info/PKG-INFO": metadata("mine")})
    write(tmp_path / "work", {"mine.egg-link": f"{tree}\n."})
    path.put(str(tmp_path / "work"), str(path.site))
    assert path.look().distributions == ()


@pytest.mark.parametrize(
    ("files", "can"),
    [
        ({"a-1.0.dist-info/METADATA": metadata("a"), "a-1.0.dist-info/RECORD": ""}, True),
        ({"a-1.0.dist-info/METADATA": metadata("a")}, False),
        ({"a-1.0.egg-info": metadata("a")}, False),
        ({"a-1.0.egg-info/PKG-INFO": metadata("a")}, False),
        ({"a.egg-info/PKG-INFO": metadata("a"), "a.egg-info/installed-files.txt": ""}, True),
    ],
)
def test_what_pip_can_uninstall(path: FakePath, files: Mapping[str, str], *, can: bool) -> None:
    write(path.site, files)
    assert can_be_uninstalled(path.only()) is can


def test_two_copies_are_both_told(path: FakePath) -> None:
    path.add("a-1.0.dist-info")
    path.add("a-2.0.dist-info", version="2.0")
    assert [str(d.version) for d in path.look().by_name()[Name("a")]] == ["1.0", "2.0"]


def test_what_comes_first_on_the_path_is_first(path: FakePath, tmp_path: Path) -> None:
    path.add("a-1.0.dist-info")
    before = write(tmp_path / "before", {"a-2.0.dist-info/METADATA": metadata("a", "2.0")})
    after = write(tmp_path / "after", {"a-3.0.dist-info/METADATA": metadata("a", "3.0")})
    path.put(str(before), str(path.site), str(after), str(before))
    found = path.look(virtual=False).by_name()[Name("a")]
    assert [(str(d.version), d.local, d.ahead) for d in found] == [
        ("2.0", False, True),
        ("1.0", True, False),
        ("3.0", False, False),
    ]


def test_all_below_the_prefix_of_a_virtual_environment_is_its_own(
    path: FakePath, tmp_path: Path
) -> None:
    inside = write(tmp_path / "more", {"a-1.0.dist-info/METADATA": metadata("a")})
    path.put(str(inside), str(path.site))
    assert path.only().local
    assert not path.only().ahead
    assert not path.look(virtual=False).distributions[0].local


def test_what_is_no_folder_is_passed_over(path: FakePath, tmp_path: Path) -> None:
    path.add("a-1.0.dist-info")
    archive = write(tmp_path, {"library.zip": "PK"}) / "library.zip"
    path.put(str(tmp_path / "gone"), str(archive), str(path.site), str(path.site) + "/")
    assert found_names(path.look()) == ["a"]


def test_the_folder_of_the_process_is_read(
    path: FakePath, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "here", {"a.egg-info/PKG-INFO": metadata("a")})
    monkeypatch.chdir(tmp_path / "here")
    path.put("", str(path.site))
    assert path.only().location == str(tmp_path / "here")


def test_a_link_to_a_folder_is_that_folder(path: FakePath, tmp_path: Path) -> None:
    path.add("a-1.0.dist-info")
    (tmp_path / "link").symlink_to(path.site)
    path.put(str(tmp_path / "link"), str(path.site))
    assert path.only().location == str(path.site)
    assert path.only().local


def test_conda_is_told_where_it_could_be(path: FakePath) -> None:
    path.add("a-1.0.dist-info", INSTALLER="conda\n")
    path.add("b-1.0.dist-info", INSTALLER="pip\n")
    path.add("c-1.0.dist-info")
    assert [d.installer for d in path.look(conda=True).distributions] == ["conda", "pip", ""]
    assert [d.installer for d in path.look().distributions] == ["", "", ""]


def origin(path: FakePath, text: str) -> Source:
    path.add("a-1.0.dist-info", **{"direct_url.json": text})
    return path.only().source


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (
            {"url": "https://e.org/a.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            Source(kind=SourceKind.VCS, url="https://e.org/a.git", vcs="git", commit=COMMIT),
        ),
        (
            {
                "url": "https://user:secret@e.org/a.git",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"},
                "subdirectory": "python",
            },
            Source(
                kind=SourceKind.VCS,
                url="https://e.org/a.git",
                vcs="git",
                commit=COMMIT,
                subdirectory="python",
            ),
        ),
        (
            {"url": "file:///src/a", "dir_info": {"editable": True}},
            Source(kind=SourceKind.DIRECTORY, url="file:///src/a", editable=True),
        ),
        (
            {"url": "file:///src/a", "dir_info": {}},
            Source(kind=SourceKind.DIRECTORY, url="file:///src/a"),
        ),
        (
            {"url": "https://e.org/a.whl", "archive_info": {"hashes": {"sha256": SHA}}},
            Source(kind=SourceKind.ARCHIVE, url="https://e.org/a.whl", hashes=(f"sha256:{SHA}",)),
        ),
        (
            {"url": "https://e.org/a.whl", "archive_info": {"hash": f"sha256={SHA}"}},
            Source(kind=SourceKind.ARCHIVE, url="https://e.org/a.whl", hashes=(f"sha256:{SHA}",)),
        ),
        (
            {"url": "https://e.org/a.whl", "archive_info": {}},
            Source(kind=SourceKind.ARCHIVE, url="https://e.org/a.whl"),
        ),
        (
            {"url": "https://e.org/a.whl", "archive_info": {"hash": "nonsense"}},
            Source(kind=SourceKind.ARCHIVE, url="https://e.org/a.whl"),
        ),
    ],
)
def test_an_origin(path: FakePath, data: dict[str, Any], source: Source) -> None:
    assert origin(path, json.dumps(data)) == source
    assert source_from_json(source_to_json(source)) == source


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        '{"url": "file:///a", "vcs_info": {}}',
        '{"url": "file:///a", "vcs_info": []}',
        '{"url": "file:///a", "dir_info": "x"}',
        '{"url": "file:///a", "archive_info": "x"}',
        '{"url": "file:///a", "archive_info": {"hashes": "x"}}',
        '{"url": "file:///a", "archive_info": {"hash": 1}}',
    ],
)
def test_a_broken_origin_is_none(path: FakePath, text: str) -> None:
    assert origin(path, text) == INDEX


def test_an_origin_that_is_no_utf_8_is_none(path: FakePath) -> None:
    base = path.add("a-1.0.dist-info")
    (base / "direct_url.json").write_bytes(b"\xff\xfe")
    assert read_source(base) == path.only().source == INDEX


def test_the_secret_of_an_origin_is_nowhere_in_a_snapshot(path: FakePath) -> None:
    for at, kind in enumerate(("vcs_info", "dir_info", "archive_info")):
        data = {"url": "https://user:hunter2@e.org/a", kind: {"vcs": "git", "commit_id": COMMIT}}
        path.add(f"a{at}-1.0.dist-info", **{"direct_url.json": json.dumps(data)})
    assert len(path.look().distributions) == 3
    assert "hunter2" not in repr(path.look())


headers = st.lists(
    st.tuples(
        st.sampled_from(["Name", "Version", "Requires-Dist", "Summary", "Requires-Python"]),
        st.text(alphabet="ab1.>=; :", max_size=10),
    ),
    min_size=1,
)


@given(headers, st.sampled_from(["", "\nName: x\nVersion: 9\n\nRequires-Dist: y\n"]))
def test_a_header_is_read_as_an_email_parser_reads_it(
    fields: list[tuple[str, str]], body: str
) -> None:
    from email.parser import Parser  # noqa: PLC0415 (one test's oracle)

    text = "".join(f"{name}: {value}\n" for name, value in fields) + body
    oracle = Parser().parsestr(text, headersonly=True)
    name, version, requires = parse_header(text)
    assert name == (oracle["Name"] or "").strip()
    assert version == (oracle["Version"] or "").strip()
    expected = [line.strip() for line in oracle.get_all("Requires-Dist", [])]
    assert [line.strip() for line in requires] == expected


def recorded(path: FakePath, text: str | None) -> Distribution:
    files = {} if text is None else {"RECORD": text}
    path.add("a-1.0.dist-info", **files)
    return path.only()


def test_a_record(path: FakePath) -> None:
    text = 'a/__init__.py,sha256=x,1\n"a/odd, name.py",,\n"a/q""uote.py",,\n\n../../bin/a,,\n'
    assert recorded_names(recorded(path, text)) == frozenset(
        {"a/__init__.py", "a/odd, name.py", 'a/q"uote.py', "../../bin/a"}
    )


def test_a_plain_record_with_windows_line_ends(path: FakePath) -> None:
    assert recorded_names(recorded(path, "a.py,,\r\nb.py,,\r\n")) == frozenset({"a.py", "b.py"})


def test_no_record_and_a_broken_one_say_nothing(path: FakePath) -> None:
    nothing = recorded(path, None)
    assert recorded_names(nothing) is None
    assert missing_files(nothing) is None
    (path.site / "a-1.0.dist-info" / "RECORD").write_bytes(b"\xff\xfe\n")
    assert recorded_names(nothing) is None


def test_missing_files(path: FakePath, tmp_path: Path) -> None:
    absolute = tmp_path / "absolute.txt"
    lines = ["a.py", "a/b.py", "__pycache__/a.cpython-311.pyc", "../bin/a", str(absolute)]
    found = recorded(path, "".join(f"{line},,\n" for line in lines))
    write(path.site, {"a.py": ""})
    assert missing_files(found) == sorted(["a/b.py", "../bin/a", str(absolute)])
    write(path.site, {"a/b.py": "", "../bin/a": ""})
    absolute.symlink_to(tmp_path / "nowhere")  # as of uv's `--link-mode symlink`, its cache cleaned
    assert missing_files(found) == [str(absolute)]
    (tmp_path / "nowhere").touch()
    assert missing_files(found) == []


def test_versions_by_the_names_of_folders(path: FakePath, tmp_path: Path) -> None:
    path.add("Foo_Bar-1.0.dist-info")
    path.add("a-2.0+cpu.dist-info")
    write(path.site, {"old.egg-info/PKG-INFO": ""})
    found = installed_versions([str(path.site), str(tmp_path / "gone")])
    assert found == {("foo-bar", "1.0"), ("a", "2.0+cpu")}


def loaded_of(distributions: Iterable[Distribution]) -> set[str]:
    """Return which of these are loaded."""
    versions = LoadedVersions()
    versions.look(distributions, versions.mark(), None)
    return set(versions.versions(distributions))


@pytest.fixture
def modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("modules")
def test_what_is_loaded_is_told_by_its_files(path: FakePath) -> None:
    write(
        path.site,
        {
            "em_one/__init__.py": "",
            "em_single.py": "",
            "em_shared/one.py": "",
            "em_shared/two.py": "",
            "em_idle.py": "",
        },
    )
    path.add("Other_Name-1.0.dist-info", RECORD="em_one/__init__.py,,\n")
    path.add("single-1.0.dist-info", RECORD='em_single.py,,\n"em_single, data.txt",,\n')
    path.add("first-1.0.dist-info", RECORD="em_shared/one.py,,\n")
    path.add("second-1.0.dist-info", RECORD="em_shared/two.py,,\n")
    path.add("idle-1.0.dist-info", RECORD="em_idle.py,,\n")
    path.add("silent-1.0.dist-info")
    found = path.look().distributions
    assert loaded_of(found) == set()
    for name in ("em_one", "em_single", "em_shared.two"):
        importlib.import_module(name)
    assert loaded_of(found) == {"other-name", "single", "second"}


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("folder", ["tree", "a tree"])
def test_an_editable_is_loaded_from_its_tree(path: FakePath, tmp_path: Path, folder: str) -> None:
    tree = write(tmp_path / folder, {"src/em_mine.py": ""})
    data = {"url": tree.as_uri(), "dir_info": {"editable": True}}
    record = "__editable__mine.pth,,\n"
    path.add("mine-1.0.dist-info", RECORD=record, **{"direct_url.json": json.dumps(data)})
    path.put(str(path.site), str(tree / "src"))
    assert loaded_of([path.only()]) == set()
    importlib.import_module("em_mine")
    assert loaded_of([path.only()]) == {"mine"}


@pytest.mark.usefixtures("modules")
def test_what_is_loaded_through_a_link_is_loaded(path: FakePath, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path.site)
    write(path.site, {"em_linked.py": ""})
    path.add("linked-1.0.dist-info", RECORD="em_linked.py,,\n")
    path.put(str(tmp_path / "link"))
    importlib.import_module("em_linked")
    assert loaded_of(path.look().distributions) == {"linked"}


def test_this_interpreter() -> None:
    where = look_at_platform()
    assert where.executable == sys.executable
    assert where.prefix == sys.prefix
    assert where.python == ".".join(map(str, sys.version_info[:3]))
    assert where.virtual is (sys.prefix != sys.base_prefix)
    assert where.site
    assert where.tag.startswith("linux-")
    here = Path(pytest.__file__).resolve().parents[1]
    found = take_snapshot(where).by_name()[Name("pytest")][0]
    assert Path(found.location) == here
    assert replace(found, requires=()).local
