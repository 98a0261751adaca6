"""What the papers promise is there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from envmagic.core.lock import parse_lock
from envmagic.face.cli import main
from envmagic.face.options import (
    Parser,
    add_diff_options,
    add_dry_run,
    add_freeze_options,
    add_sync_options,
    add_undo,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
PAPERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
README = (ROOT / "README.md").read_text("utf-8")
SYNC = (add_diff_options, add_dry_run, add_sync_options, add_undo)
FIRST = """GitPython PyYAML accelerate aiohttp datasets flash_attn huggingface-hub matplotlib
numpy pandas torch torchvision triton vllm xformers"""


def parser_of(*adds: Callable[[argparse.ArgumentParser], None]) -> Parser:
    parser = Parser(add_help=False)
    for add in adds:
        add(parser)
    return parser


def options(*adds: Callable[[argparse.ArgumentParser], None]) -> set[str]:
    described = parser_of(*adds).format_help().partition("options:")[2]
    starts = re.findall(r"^  (-.*?)(?:  |$)", described, re.MULTILINE)
    return {name for start in starts for name in re.findall(r"(?:^|, )(-[\w-]+)", start)}


def table_options(section: str) -> set[str]:
    """Return the options in the first column of a table's rows."""
    rows = [line for line in section.splitlines() if line.startswith("| `-")]
    return {name for row in rows for name in re.findall(r"`(-[\w-]+)", row.split("|")[1])}


def test_readme_lists_exactly_the_options_that_there_are() -> None:
    section = README.partition("\n## Options")[2].partition("\n## ")[0]
    sync, _, freeze = section.partition("%envfreeze")
    assert table_options(sync) == options(*SYNC)
    assert table_options(freeze) == options(add_freeze_options)


def test_readme_lists_exactly_the_exit_codes_that_there_are() -> None:
    section = README.partition("\n## Exit codes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", section, re.MULTILINE) == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "130",
    ]


def magic_lines() -> list[str]:
    cells = [cell for notebook in NOTEBOOKS for cell in json.loads(notebook.read_text())["cells"]]
    papers = [README, *("".join(cell["source"]) for cell in cells)]
    found = re.findall(r"[%m] ?(?:envsync|envfreeze|envmagic) [^`\n]*", "\n".join(papers))
    return sorted({line for line in found if "load_ext" not in line})


@pytest.mark.parametrize("line", magic_lines())
def test_each_command_in_the_papers_can_be_parsed(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(re.split(r"[;>|]| \|\| ", line.partition("#")[0])[0])
    if words[0] == "m":
        with pytest.raises(SystemExit) as ended:
            main([words[2], "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert not {word for word in words if word.startswith("-")} - set(
            re.findall(r"-[\w-]+", text)
        )
        return
    adds = (add_freeze_options,) if words[0] == "%envfreeze" else SYNC
    parser_of(*adds).parse_args([word for word in words[1:] if word.strip(".,:")])


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_each_make_target_in_the_papers_exists(paper: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", paper.read_text("utf-8"), re.MULTILINE))
    assert named <= targets
    documented = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    targets = {"demo", "test", "lint", "verdicts", "bench", "lab", "floors", "clean", "help"}
    assert targets <= documented


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_each_file_that_a_paper_links_to_is_there(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", paper.read_text("utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (paper.parent / link).exists()] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_valid_and_has_no_outputs(notebook: Path) -> None:
    text = notebook.read_text("utf-8")
    content = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(content)
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert "/root/" not in text
    assert "/home/" not in text
    assert json.loads(text)["metadata"]["kernelspec"]["name"] == "python3"


def test_first_env_is_the_list_of_the_working_environment() -> None:
    text = (EXAMPLES / "first_env.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line.partition("==")[0] for line in lines] == FIRST.split()


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
@pytest.mark.parametrize("name", ["first_env.txt", "small_env.txt"])
def test_an_example_lock_is_a_good_lock(name: str, python: str) -> None:
    lock = parse_lock(
        (EXAMPLES / name).read_text("utf-8"),
        name,
        read=lambda path: Path(path).read_text("utf-8"),
        markers={"python_version": python, "python_full_version": f"{python}.0"},
    )
    assert len(lock.pins) >= 15
    assert lock.options == ()


def test_make_floors_pins_exactly_the_floors() -> None:
    pins = re.findall(r"([\w-]+)==([\d.]+)", (ROOT / "Makefile").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8").partition("\ndependencies = [")[2]
    floors = re.findall(r'"([\w-]+)>=([\d.]+)"', project.partition("\n]")[0])
    assert dict(floors) == {name: version for name, version in pins if name != "ipykernel"}
    for version in dict(floors).values():
        assert version in README or version == dict(floors)["pip-tools"]


def test_ci_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text("utf-8")
