"""Where pip looks by its own configuration, as pip reads it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pip._internal.commands import create_command
from pip._internal.models.index import PyPI

from envmagic.core.cuda_build import find_label
from envmagic.edge.configuration import configured_places
from envmagic.edge.probe import look_at_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://e.org/whl/cu{}"
FILES = ("shared/pip", ".pip", ".config/pip", "prefix")
"""Where pip looks below the home of these tests, the last one counts most."""


@contextmanager
def at_home(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """A home without a configuration, and without the variables of whoever runs this."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("PIP_", "XDG_CONFIG_HOME")):
                patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_CONFIG_DIRS", str(folder / "shared"))
        patch.setattr(sys, "prefix", str(folder / "prefix"))
        yield patch


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with at_home(tmp_path):
        yield tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def places() -> tuple[str, ...]:
    return configured_places(replace(look_at_platform(), prefix=sys.prefix))


def ours() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"--index-url": [PyPI.simple_url]}
    split = [place.partition(" ") for place in places()]
    if any(name == "--index-url" for name, _, _ in split):
        found["--index-url"] = []
    for name, _, value in split:
        found.setdefault(name, []).append(value)
    return found


def pips() -> dict[str, list[str]]:
    """Return what pip's own parser makes of the same files and variables."""
    options, _ = create_command("wheel").parser.parse_args([])
    found = {
        "--index-url": [options.index_url],
        "--extra-index-url": options.extra_index_urls or [],
        "--find-links": options.find_links or [],
        "--no-index": [""] if options.no_index else [],
    }
    return {name: values for name, values in found.items() if values}


NAMES = ["index-url", "index_url", "pypi-url", "extra-index-url", "Extra_Index_Url"]
NAMES += ["find-links", "--find-links", "timeout"]
VALUES = ["", URL.format(118), f"{URL.format(121)} {URL.format(124)}", "17"]


def section(options: dict[str, str]) -> str:
    lines = {name.lower().replace("_", "-").removeprefix("--"): name for name in options}
    return "".join(f"{name} = {options[name]}\n" for name in lines.values())


@settings(max_examples=100)
@given(st.data())
def test_what_is_configured_is_what_pip_reads(data: st.DataObject) -> None:
    values = {name: st.sampled_from(VALUES) for name in NAMES} | {"timeout": st.just("17")}
    options = st.fixed_dictionaries(
        {}, optional={**values, "no-index": st.sampled_from(["yes", "0", ""])}
    )
    sections = st.dictionaries(st.sampled_from(["global", "wheel", "install"]), options)
    files = data.draw(st.dictionaries(st.sampled_from([*FILES, "named"]), sections))
    variables = data.draw(st.dictionaries(st.sampled_from(NAMES[::3]), st.sampled_from(VALUES[:3])))
    with TemporaryDirectory() as folder, at_home(Path(folder)) as patch:
        if data.draw(st.booleans()):
            patch.setenv("PIP_CONFIG_FILE", str(Path(folder, "named", "pip.conf")))
        for place, said in files.items():
            text = "".join(f"[{name}]\n{section(found)}" for name, found in said.items())
            write(Path(folder, place, "pip.conf"), text)
        for name, value in variables.items():
            patch.setenv(f"PIP_{name.upper().replace('-', '_')}", value)
        assert ours() == pips()


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
