"""The stage: wheels that are read and found whole, and what they leave behind when installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version
from support.wheels import make_wheel

from envmagic.core.errors import EngineError
from envmagic.core.model import INDEX, Name, Source, SourceKind
from envmagic.edge.origin import read_source, record_origin
from envmagic.edge.stage import Stage, read_wheel

if TYPE_CHECKING:
    from pathlib import Path

VCS = Source(kind=SourceKind.VCS, url="https://e.org/a", vcs="git", commit="1" * 40)
ARCHIVE = Source(kind=SourceKind.ARCHIVE, url="https://e.org/a.whl", hashes=(f"sha256:{'a' * 64}",))
EDITABLE = Source(kind=SourceKind.DIRECTORY, url="file:///src/a", editable=True)


def test_a_wheel(tmp_path: Path) -> None:
    extras = {"x": ["gamma"]}
    path = make_wheel(tmp_path, "Foo.Bar", "1.0+cpu", requires=["alpha>=1", "beta"], extras=extras)
    wheel = read_wheel(path)
    assert wheel.path == path
    found = wheel.distribution
    assert (found.name, found.version) == ("foo-bar", Version("1.0+cpu"))
    assert found.requires == ("alpha>=1", "beta", 'gamma; extra == "x"')
    assert found.source == INDEX


def spoil(path: Path, at: bytes, *, by: int = 0) -> Path:
    """Change one byte of what stands at a mark."""
    data = bytearray(path.read_bytes())
    where = data.index(at) + by
    data[where] ^= 0xFF
    path.write_bytes(bytes(data))
    return path


def test_a_wheel_with_a_byte_changed_is_damaged(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "a", "1.0", files={"a/data.txt": "word " * 100})
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("a/data.txt")
    spoil(path, b"a/data.txt", by=len(info.filename) + 1)
    with pytest.raises(EngineError, match=r"`a-1.0-py3-none-any.whl` is (?:damaged|not a wheel)"):
        read_wheel(path)


def test_a_wheel_whose_content_is_another_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.txt", "the very words")
        archive.writestr("a-1.0.dist-info/METADATA", "Name: a\nVersion: 1.0\n\n")
    spoil(path, b"the very words")
    with pytest.raises(EngineError, match=r"`a-1.0-py3-none-any.whl` is damaged: `a/data.txt`"):
        read_wheel(path)


@pytest.mark.parametrize("size", [0, 10, 100, 400])
def test_a_wheel_that_was_cut_is_none(tmp_path: Path, size: int) -> None:
    path = make_wheel(tmp_path, "a", "1.0")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(EngineError, match=r"`a-1.0-py3-none-any.whl` is not a wheel"):
        read_wheel(path)


def test_wheels_are_for_their_user_alone(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    path = make_wheel(stage.wheels_folder, "a", "1.0", files={"a/b/data.txt": "word"})
    path.chmod(0o644)
    assert list(stage.known()) == ["a"]
    unpacked = stage.unpack([Name("a")])
    assert (unpacked / "a/b/data.txt").read_text() == "word"
    for found in (path, unpacked, *unpacked.rglob("*")):
        assert found.stat().st_mode & 0o777 == (0o700 if found.is_dir() else 0o600)


def test_an_archive_without_metadata_is_no_wheel(tmp_path: Path) -> None:
    path = tmp_path / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/__init__.py", "")
    with pytest.raises(EngineError, match="is not a wheel"):
        read_wheel(path)


def test_a_wheel_that_is_gone_is_an_error_of_the_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not a wheel"):
        read_wheel(tmp_path / "a-1.0-py3-none-any.whl")


def test_the_stage_is_private_and_knows_its_wheels(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "below" / "stage")
    assert stage.folder.stat().st_mode & 0o777 == 0o700
    assert stage.wheels_folder.stat().st_mode & 0o777 == 0o700
    assert stage.known() == {}
    make_wheel(stage.wheels_folder, "a", "1.0")
    assert stage.known().keys() == {"a"}
    make_wheel(stage.wheels_folder, "b", "1.0")
    assert stage.known().keys() == {"a", "b"}
    stage.drop(Name("a"))
    assert stage.known().keys() == {"b"}
    assert [path.name for path in stage.wheels_folder.iterdir()] == ["b-1.0-py3-none-any.whl"]


def test_the_stage_holds_files_and_a_log(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    assert stage.log_text() == ""
    stage.log.write_bytes(b"one\n\xff two\n")
    assert stage.log_text() == "one\n\ufffd two\n"
    assert stage.write("lock.txt", "a==1.0\n").read_text("utf-8") == "a==1.0\n"
    with pytest.raises(EngineError, match="cannot be written: No such file or directory"):
        stage.write("gone/lock.txt", "")


def test_wheels_are_unpacked_beside_each_other(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    for name in ("a", "b", "c"):
        make_wheel(stage.wheels_folder, name, "1.0")
    folder = stage.unpack([Name("a"), Name("b")])
    assert (folder / "a" / "__init__.py").is_file()
    assert {path.name for path in folder.iterdir()} == {
        "a",
        "a-1.0.dist-info",
        "b",
        "b-1.0.dist-info",
    }


def installed(tmp_path: Path) -> Path:
    """Return the metadata folder of what pip installed from a staged wheel by its path."""
    metadata = tmp_path / "a-1.0.dist-info"
    metadata.mkdir()
    (metadata / "direct_url.json").write_text('{"url": "file:///stage/a.whl", "archive_info": {}}')
    (metadata / "RECORD").write_text(
        'a/__init__.py,sha256=x,1\n"a/odd, name.py",,\n'
        "a-1.0.dist-info/direct_url.json,sha256=y,1\na-1.0.dist-info/RECORD,,\n"
    )
    return metadata


def rows(metadata: Path) -> dict[str, list[str]]:
    with (metadata / "RECORD").open(newline="") as lines:
        return {name: rest for name, *rest in csv.reader(lines)}


@pytest.mark.parametrize("source", [VCS, ARCHIVE, EDITABLE])
def test_an_origin_is_recorded_and_the_record_agrees(tmp_path: Path, source: Source) -> None:
    metadata = installed(tmp_path)
    record_origin(metadata, source)
    assert read_source(metadata) == source
    data = (metadata / "direct_url.json").read_bytes()
    assert json.loads(data)["url"] == source.url
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    assert rows(metadata) == {
        "a/__init__.py": ["sha256=x", "1"],
        "a/odd, name.py": ["", ""],
        "a-1.0.dist-info/direct_url.json": [f"sha256={digest}", str(len(data))],
        "a-1.0.dist-info/RECORD": ["", ""],
    }
    before = (metadata / "RECORD").read_bytes()
    record_origin(metadata, source)
    assert (metadata / "RECORD").read_bytes() == before


def test_an_index_leaves_no_origin(tmp_path: Path) -> None:
    metadata = installed(tmp_path)
    for _ in range(2):
        record_origin(metadata, INDEX)
        assert not (metadata / "direct_url.json").exists()
        assert list(rows(metadata)) == ["a-1.0.dist-info/RECORD", "a/__init__.py", "a/odd, name.py"]


def test_other_links_of_a_file_are_left_alone(tmp_path: Path) -> None:
    metadata = installed(tmp_path)
    for name in ("RECORD", "direct_url.json"):
        (tmp_path / name).hardlink_to(metadata / name)
    before = {name: (tmp_path / name).read_bytes() for name in ("RECORD", "direct_url.json")}
    record_origin(metadata, VCS)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert sorted(path.name for path in metadata.iterdir()) == ["RECORD", "direct_url.json"]
