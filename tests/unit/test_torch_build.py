"""What is read from the files of a torch, and what is not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.torches import library_text, torch_files, version_text

from envmagic.core.cuda_build import TORCH
from envmagic.core.model import (
    INDEX,
    Distribution,
    Name,
    Snapshot,
    Source,
    SourceKind,
    TorchBuild,
    read_version,
)
from envmagic.edge.probe import look_at_platform
from envmagic.edge.torch_build import read_torch_build

HERE = str(Path(__file__).parent)
ALL = "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def read(folder: Path, source: Source = INDEX, name: str = "torch") -> TorchBuild | None:
    distribution = Distribution(
        name=Name(name),
        version=read_version("2.4.0"),
        location=str(folder),
        metadata="torch-2.4.0.dist-info",
        source=source,
    )
    where = look_at_platform()
    return read_torch_build(Snapshot(platform=where, distributions=(distribution,)))


def test_a_build_for_cuda(tmp_path: Path) -> None:
    put(tmp_path, torch_files("2.4.0+cu121", "12.1", ALL))
    assert read(tmp_path) == TorchBuild(
        version="2.4.0+cu121", cuda="12.1", architectures=tuple(ALL.split())
    )


def test_a_build_for_the_cpu_or_for_amd_has_no_code_for_cuda(tmp_path: Path) -> None:
    put(tmp_path, torch_files("2.4.0", None, ALL))
    assert read(tmp_path) == TorchBuild(version="2.4.0")
    put(tmp_path, {"torch/version.py": version_text("2.4.0+rocm6.1", None, hip="6.1.40091")})
    assert read(tmp_path) == TorchBuild(version="2.4.0+rocm6.1", hip="6.1.40091")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "__version__ = '2.4.0'\n",  # whether it has CUDA is not said
        "cuda = '12.1'\n",
        "__version__ = version()\ncuda = None\n",
        "__version__ = '2.4.0'\ncuda = find_cuda()\n",
        "__version__ = '2.4.0'\ncuda = 12.1\n",
        "__version__ = '2.4.0'\ncuda: str\n",
        "if True:\n    __version__ = '2.4.0'\n    cuda = None\n",
        "not Python at all\n",
        "\0",
        f"{'(' * 3000}\n",
        f"#{'x' * 70_000}\n__version__ = '2.4.0'\ncuda = None\n",
    ],
)
def test_what_does_not_say_it_plainly_is_not_known(tmp_path: Path, text: str) -> None:
    put(tmp_path, {"torch/version.py": text})
    assert read(tmp_path) is None


def test_no_file_is_not_known(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    (tmp_path / "torch" / "version.py").mkdir(parents=True)
    assert read(tmp_path) is None
    assert read(tmp_path, name="numpy") is None


def test_nothing_of_it_is_run(tmp_path: Path) -> None:
    text = (
        f"{version_text('2.4.0', '12.1')}open({str(tmp_path / 'run')!r}, 'w')\nraise SystemExit\n"
    )
    put(tmp_path, {"torch/version.py": text})
    found = read(tmp_path)
    assert found is not None
    assert found.cuda == "12.1"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("codes", [ALL, "sm_90", "sm_80 compute_80", "sm_90a sm_100f sm_120 "])
def test_every_form_of_a_list_of_architectures(tmp_path: Path, codes: str) -> None:
    put(tmp_path, torch_files("2.4.0+cu121", "12.1", codes))
    found = read(tmp_path)
    assert found is not None
    assert found.architectures == tuple(codes.split())


@pytest.mark.parametrize("library", ["", library_text(""), library_text("sm_80, sm_90"), "sm_80"])
def test_a_library_without_one_tells_the_rest(tmp_path: Path, library: str) -> None:
    put(tmp_path, torch_files("2.4.0+cu121", "12.1") | {"torch/lib/libtorch_python.so": library})
    assert read(tmp_path) == TorchBuild(version="2.4.0+cu121", cuda="12.1")
    (tmp_path / "torch/lib/libtorch_python.so").unlink()
    assert read(tmp_path) == TorchBuild(version="2.4.0+cu121", cuda="12.1")


def test_a_library_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "torch/lib/libtorch_python.so"
    put(tmp_path, torch_files("2.4.0+cu121", "12.1", "sm_80 sm_90"))
    assert read(tmp_path) == read(tmp_path)
    path.write_text(library_text("sm_75 sm_90"), "utf-8")  # as long as before
    os.utime(path, ns=(1, 1))
    found = read(tmp_path)
    assert found is not None
    assert found.architectures == ("sm_75", "sm_90")


@pytest.mark.parametrize("before", range(0, 48, 5))
def test_a_list_that_lies_across_any_border_is_found_whole(tmp_path: Path, before: int) -> None:
    path = tmp_path / "torch/lib/libtorch_python.so"
    put(tmp_path, torch_files("2.4.0+cu121", "12.1"))
    path.write_bytes(b"x" * (2**20 - before) + f"\0{ALL}\0".encode() + b"y" * 2**20)
    found = read(tmp_path)
    assert found is not None
    assert found.architectures == tuple(ALL.split())


def test_a_library_that_is_cut_short_while_it_is_read_is_no_harm(tmp_path: Path) -> None:
    """A `cp` over it does that, or a build: in a process of its own, for a map would end it."""
    script = """
        import os, sys, threading, time
        from pathlib import Path
        sys.path[:0] = sys.argv[2:]
        from test_torch_build import read
        library = sys.argv[1] + "/torch/lib/libtorch_python.so"
        reading = True
        def cut():
            while reading:
                os.truncate(library, 0)
                os.truncate(library, 64 * 2**20)
                time.sleep(0.002)
        threading.Thread(target=cut, daemon=True).start()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert read(Path(sys.argv[1])).architectures == ()
        reading = False
    """
    put(tmp_path, torch_files("2.4.0+cu121", "12.1"))
    child = [
        sys.executable,
        "-c",
        textwrap.dedent(script),
        str(tmp_path),
        HERE,
        str(Path(HERE).parent),
    ]
    assert subprocess.run(child, check=False).returncode == 0


def test_that_of_windows(tmp_path: Path) -> None:
    files = torch_files("2.4.0+cu121", "12.1")
    del files["torch/lib/libtorch_python.so"]
    put(tmp_path, files | {"torch/lib/torch_python.dll": library_text("sm_80 sm_90")})
    found = read(tmp_path)
    assert found is not None
    assert found.architectures == ("sm_80", "sm_90")


def test_a_source_tree_is_read_where_it_lies(tmp_path: Path) -> None:
    tree = tmp_path / "pytorch"
    put(tree, torch_files("2.99.0a0+git1", "12.4", "sm_80 sm_90"))
    source = Source(kind=SourceKind.DIRECTORY, url=tree.as_uri(), editable=True)
    found = read(tmp_path / "site-packages", source)
    assert found is not None
    assert found.version == "2.99.0a0+git1"


def test_the_one_that_is_imported_counts(tmp_path: Path) -> None:
    put(tmp_path / "first", torch_files("2.4.0+cpu", None))
    put(tmp_path / "second", torch_files("2.4.0+cu121", "12.1"))
    both = tuple(
        Distribution(name=TORCH, version=read_version("2.4.0"), location=str(tmp_path / folder))
        for folder in ("first", "second")
    )
    found = read_torch_build(Snapshot(platform=look_at_platform(), distributions=both))
    assert found == TorchBuild(version="2.4.0+cpu")
