"""Files that are gone, files that two record, and what nobody lists: told by real folders."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmagic.core.model import (
    Damage,
    Distribution,
    Name,
    Platform,
    Snapshot,
    canonical_name,
    read_version,
)
from envmagic.edge.damage import find_damage
from envmagic.edge.record import missing_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str, *files: str, **metadata: str) -> Distribution:
    """Install some files as pip does; `metadata` are the files of the `.dist-info`."""
    stem = f"{name.replace('-', '_')}-1.0"
    texts = {"METADATA": f"Name: {name}\nVersion: 1.0\n", "INSTALLER": "pip\n"} | metadata
    listed = [*files, *(f"{stem}.dist-info/{file}" for file in (*texts, "RECORD"))]
    texts = {"RECORD": "".join(f"{file},,\n" for file in listed)} | texts
    for file in files:
        write(folder / file)
    for file, text in texts.items():
        write(folder / f"{stem}.dist-info" / file, text)
    return Distribution(
        name=canonical_name(name),
        version=read_version("1.0"),
        location=str(folder),
        metadata=f"{stem}.dist-info",
    )


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def find(*distributions: Distribution) -> Damage:
    where = Platform(
        python="3.11.7",
        implementation="cpython",
        markers=(),
        executable="",
        prefix="",
        virtual=True,
    )
    return find_damage(Snapshot(platform=where, distributions=distributions))


def test_a_whole_set_has_no_damage(site: Path) -> None:
    script = "../../../bin/alpha"
    found = find(put(site, "alpha", "alpha/__init__.py", script), put(site, "beta", "beta.py"))
    assert found == Damage()


def test_what_is_gone_is_named_but_for_bytecode(site: Path) -> None:
    files = ("a/core/_x.so", "a/core/y.py", "a/__pycache__/y.cpython-311.pyc", "../../../bin/a")
    alpha = put(site, "alpha", *files, "a/z.py")
    for file in files:
        (site / file).unlink()
    (site / "a" / "core").rmdir()
    beta = put(site, "beta", "beta.py")
    expected = ("../../../bin/a", "a/core/_x.so", "a/core/y.py")
    assert find(alpha, beta) == Damage(missing={Name("alpha"): expected})
    assert missing_files(alpha) == list(expected)


def test_a_file_in_the_place_of_a_folder_is_damage(site: Path) -> None:
    alpha = put(site, "alpha", "a/core/x.py")
    (site / "a" / "core" / "x.py").unlink()
    (site / "a" / "core").rmdir()
    (site / "a" / "core").touch()
    assert find(alpha).missing == {"alpha": ("a/core/x.py",)}


def test_a_link_to_nothing_is_damage_and_one_to_a_file_is_none(site: Path) -> None:
    alpha = put(site, "alpha", "a/x.py", "a/y.py")
    (site / "a" / "x.py").rename(site / "kept.py")
    (site / "a" / "x.py").symlink_to(site / "kept.py")
    assert find(alpha) == Damage()
    (site / "kept.py").unlink()
    assert find(alpha).missing == {"alpha": ("a/x.py",)}


@pytest.mark.parametrize(
    "record",
    [
        'gone.py,sha256=x,1\r\n"a, b.py",,\r\nx.py,,\r\n',
        "gone.py,,\nx.py,,",
        "\n\ngone.py\nx.py,,\n\n",
        '"gone.py",,\nx.py,,\n',
    ],
)
def test_every_form_of_a_record_is_read(site: Path, record: str) -> None:
    write(site / "x.py")
    write(site / "a, b.py")
    assert find(put(site, "alpha", RECORD=record)).missing == {"alpha": ("gone.py",)}


def test_names_of_any_alphabet_and_absolute_ones_are_found(site: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    record = f"größe/世界.py,,\na\u2028b.py,,\n{outside},,\n"
    alpha = put(site, "alpha", "größe/世界.py", "a\u2028b.py", RECORD=record)
    assert find(alpha).missing == {"alpha": (str(outside),)}
    outside.touch()
    assert find(alpha) == Damage()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_is_closed_to_us_is_not_gone() -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        site.chmod(0o755)
        alpha = put(site, "alpha", "a/x.py", "b.py")
        (site / "a").chmod(0)
        (site / "b.py").unlink()
        assert as_nobody(lambda: find(alpha).missing == {"alpha": ("b.py",)})
        (site / "a").chmod(0o755)


def as_nobody(check: Callable[[], bool]) -> bool:
    """Return what a check says in a process for which file modes count: root's are open."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os._exit(not check())
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_this_environment_counts_and_of_it_the_copy_that_is_imported(
    site: Path, tmp_path: Path
) -> None:
    broken = put(site, "alpha", "a.py")
    (site / "a.py").unlink()
    outside = replace(put(tmp_path / "outside", "beta", "b.py"), local=False)
    (tmp_path / "outside" / "b.py").unlink()
    assert find(outside) == Damage()
    whole = put(tmp_path / "first", "alpha", "a.py")
    assert find(whole, broken) == Damage()
    assert find(broken, whole).missing == {"alpha": ("a.py",)}


def test_what_conda_says_of_its_own_is_left_to_conda(site: Path) -> None:
    alpha = put(site, "alpha", "a.py", INSTALLER="conda\n")
    (site / "a.py").unlink()
    assert find(replace(alpha, installer="conda")) == Damage()


CUDNN = ("nvidia/cudnn/lib/libcudnn.so.9", "nvidia/cudnn/include/cudnn.h")


def test_files_that_two_record_are_counted_on_both_sides(site: Path) -> None:
    script, bytecode = "../../../bin/tool", "nvidia/__pycache__/__init__.cpython-311.pyc"
    init = "nvidia/__init__.py"
    found = find(
        put(site, "nvidia-cudnn-cu12", *CUDNN, init, bytecode, script),
        put(site, "nvidia-cudnn-cu13", *CUDNN, init, bytecode),
        put(site, "nvidia-cublas-cu12", init, "nvidia/cublas/lib/libcublas.so.12"),
        put(site, "tool", script),
        put(site, "other", "nvidia/other.py"),
    )
    assert found == Damage(
        shared={
            Name("nvidia-cudnn-cu12"): {
                Name("nvidia-cudnn-cu13"): 3,
                Name("nvidia-cublas-cu12"): 1,
                Name("tool"): 1,
            },
            Name("nvidia-cudnn-cu13"): {
                Name("nvidia-cudnn-cu12"): 3,
                Name("nvidia-cublas-cu12"): 1,
            },
            Name("nvidia-cublas-cu12"): {
                Name("nvidia-cudnn-cu12"): 1,
                Name("nvidia-cudnn-cu13"): 1,
            },
            Name("tool"): {Name("nvidia-cudnn-cu12"): 1},
        }
    )


def test_a_file_is_the_same_in_every_spelling(site: Path, tmp_path: Path) -> None:
    platlib = tmp_path / "lib64" / "python3.11" / "site-packages"
    platlib.mkdir(parents=True)
    write(site / "x.py")
    write(site / "y.py")
    one = put(site, "one", RECORD=f"x.py,,\n./y.py,,\n{tmp_path}/bin/z,,\n")
    two = put(site, "two", RECORD="../site-packages/x.py,,\n")
    three = put(platlib, "three", RECORD="../../../lib/python3.11/site-packages//y.py,,\n")
    four = put(platlib, "four", "../../../bin/z", "x.py")
    assert find(one, two, three, four) == Damage(
        shared={
            Name("one"): {Name("two"): 1, Name("three"): 1, Name("four"): 1},
            Name("two"): {Name("one"): 1},
            Name("three"): {Name("one"): 1},
            Name("four"): {Name("one"): 1},
        }
    )


def test_two_copies_of_one_name_share_nothing_with_themselves(site: Path, tmp_path: Path) -> None:
    one, two = (
        put(site, "alpha", "../../../bin/a"),
        put(tmp_path / "b" / "c" / "d", "alpha", "x.py"),
    )
    beta = put(site, "beta", f"{tmp_path}/b/c/d/x.py")
    assert find(one, two, beta).shared == {"alpha": {"beta": 1}, "beta": {"alpha": 1}}
    assert find(one, replace(one, version=read_version("0.9"))) == Damage()


TREES: Mapping[str, tuple[str, ...]] = {
    "alpha": ("alpha/__init__.py",),
    "PyYAML": ("yaml/__init__.py", "_yaml.cpython-311-x86_64-linux-gnu.so", "PyYAML.libs/x.so"),
    "mypkg": ("mypkg.py", "mypkg_extra.py", "mypkg-data/x.txt"),
}


def without_record(site: Path, name: str, **metadata: str) -> Distribution:
    found = put(site, name, *TREES.get(name, ()), **metadata)
    (site / found.metadata / "RECORD").unlink()
    return found


def cleared(site: Path, *distributions: Distribution) -> dict[str, set[str]]:
    found = find(*distributions)
    assert found.missing == {}
    return {
        name: {os.path.relpath(path, site) for path in paths}
        for name, paths in found.unrecorded.items()
    }


@pytest.mark.parametrize("installer", ["pip\n", "uv", ""])
def test_what_pip_or_uv_did_not_finish_can_be_cleared_away(site: Path, installer: str) -> None:
    alpha = without_record(site, "alpha", INSTALLER=installer)
    assert cleared(site, alpha) == {"alpha": {"alpha-1.0.dist-info", "alpha"}}
    (site / alpha.metadata / "INSTALLER").unlink()
    assert cleared(site, alpha) == {"alpha": {"alpha-1.0.dist-info", "alpha"}}


@pytest.mark.parametrize("installer", ["conda", "debian", "rpm\n"])
def test_what_others_have_put_there_is_theirs(site: Path, installer: str) -> None:
    assert find(without_record(site, "alpha", INSTALLER=installer)) == Damage()


def test_a_record_that_lists_nothing_is_none(site: Path) -> None:
    for record in ("", "\n"):
        alpha = put(site, "alpha", "alpha/__init__.py", RECORD=record)
        assert cleared(site, alpha) == {"alpha": {"alpha-1.0.dist-info", "alpha"}}
    (site / alpha.metadata / "RECORD").write_bytes(b"\xff,,\n")
    assert cleared(site, alpha) == {"alpha": {"alpha-1.0.dist-info", "alpha"}}


def test_what_it_owns_is_told_by_its_top_level_or_its_name(site: Path) -> None:
    top = {"top_level.txt": "yaml\n_yaml\n../outside\n.\n"}
    yaml = without_record(site, "PyYAML", **top)
    mine = without_record(site, "mypkg")
    assert cleared(site, yaml, mine) == {
        "pyyaml": {
            "PyYAML-1.0.dist-info",
            "yaml",
            "_yaml.cpython-311-x86_64-linux-gnu.so",
            "PyYAML.libs",
        },
        "mypkg": {"mypkg-1.0.dist-info", "mypkg.py"},
    }


def test_what_another_claims_too_is_not_cleared_away(site: Path) -> None:
    top = {"top_level.txt": "nvidia\nalpha\n"}
    cudnn = without_record(site, "nvidia-cudnn-cu12", **top)
    write(site / CUDNN[0])
    write(site / "alpha" / "x.py")
    other = put(site, "nvidia-nccl-cu12", "nvidia/nccl/lib/libnccl.so.2")
    bare = without_record(site, "alpha")
    info = "nvidia_cudnn_cu12-1.0.dist-info"
    assert cleared(site, cudnn, other)["nvidia-cudnn-cu12"] == {info, "alpha"}
    assert cleared(site, cudnn, other, bare) == {
        "nvidia-cudnn-cu12": {info},
        "alpha": {"alpha-1.0.dist-info"},
    }


def test_an_egg_is_not_cleared_away(site: Path) -> None:
    write(site / "egg-1.0.egg-info" / "PKG-INFO", "Name: egg\nVersion: 1.0\n")
    egg = Distribution(
        name=Name("egg"),
        version=read_version("1.0"),
        location=str(site),
        metadata="egg-1.0.egg-info",
    )
    assert find(egg) == Damage()


PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "..", ".", "c.py"]), min_size=1, max_size=5).map("/".join),
    max_size=6,
)


@given(st.lists(PATHS, min_size=1, max_size=4))
def test_shared_is_what_the_slow_way_finds(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[str]]
) -> None:
    site = tmp_path_factory.mktemp("env") / "x" / "y" / "z" / "site"
    site.mkdir(parents=True)
    found = [
        put(site, f"d{number}", RECORD="".join(f"{path},,\n" for path in paths))
        for number, paths in enumerate(records)
    ]
    files = [{os.path.normpath(site / path) for path in paths} for paths in records]
    expected = {
        f"d{one}": {
            f"d{other}": len(files[one] & files[other])
            for other in range(len(files))
            if other != one and files[one] & files[other]
        }
        for one in range(len(files))
    }
    assert find(*found).shared == {name: others for name, others in expected.items() if others}
    gone = {
        f"d{number}": tuple(sorted({p for p in paths if not (site / p).exists()}))
        for number, paths in enumerate(records)
    }
    assert find(*found).missing == {name: paths for name, paths in gone.items() if paths}
