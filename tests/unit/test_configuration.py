"""Where pip looks by its own configuration, as pip reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmagic.core.cuda_build import find_label
from envmagic.edge.configuration import configured_places
from envmagic.edge.probe import look_at_platform

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://e.org/whl/cu{}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a configuration, and the machine's own files out of sight."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "shared"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def places() -> tuple[str, ...]:
    return configured_places(look_at_platform())


@pytest.mark.parametrize(
    ("option", "label"),
    [
        ("--extra-index-url https://download.pytorch.org/whl/cu121", "cu121"),
        ("--index-url=https://download.pytorch.org/whl/nightly/cu130/", "cu130"),
        ("-i https://download.pytorch.org/whl/test/cu124", "cu124"),
        ("-f https://download.pytorch.org/whl/cu111/torch_stable.html", "cu111"),
        ("--extra-index-url https://u:p@mirrors.e.org/pytorch-wheels/cu121", "cu121"),
        ("-f https://mirror.e.org/pytorch-wheels/rocm6.1/?list", "rocm6.1"),
        ("--index-url https://mirrors.e.org/pytorch/whl/cpu", "cpu"),
        ("--index-url https://e.org/jp6/cu126", "cu126?"),
        ("--extra-index-url https://cu121", "cu121?"),
        ("--extra-index-url https://e.org/whl/cu124/torch2.4/", ""),  # that of another project
        ("--extra-index-url https://e.org/whl/cu121x", ""),
        ("--extra-index-url https://e.org/simple", ""),
    ],
)
def test_the_label_of_an_index(option: str, label: str) -> None:
    assert find_label([option]) == label
    assert find_label(["--pre", "--extra-index-url https://e.org/apex/cu118", option]) == (
        label if label and "?" not in label else "cu118?"
    )


def test_no_configuration(home: Path) -> None:
    assert home.is_dir()
    assert places() == ()


def test_the_nearer_file_counts_and_a_variable_more_than_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "shared/pip/pip.conf", f"[global]\nextra-index-url = {URL.format(118)}\n")
    assert find_label(places()) == "cu118"
    more = f"[global]\nextra-index-url =\n    https://e.org/simple\n    {URL.format(121)}\n"
    write(home / ".config/pip/pip.conf", more)
    assert places() == (
        "--extra-index-url https://e.org/simple",
        f"--extra-index-url {URL.format(121)}",
    )
    named = write(home / "named.conf", f"[wheel]\nextra-index-url = {URL.format(124)}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(named))
    assert find_label(places()) == "cu124"
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"https://e.org/simple {URL.format(126)}")
    assert find_label(places()) == "cu126"


def test_a_file_that_is_none_and_no_files_at_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".config/pip/pip.conf", "not a configuration")
    assert places() == ()
    write(home / ".config/pip/pip.conf", f"[global]\nindex-url = {URL.format(118)}\n")
    assert find_label(places()) == "cu118"
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert places() == ()
