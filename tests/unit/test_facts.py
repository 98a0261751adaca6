"""The shipped tables: whole, in order, and read as they are meant."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.version import Version
from support.templates import build_envmagic_wheel

from envmagic.core import facts

DATA = Path(facts.__file__).parent.with_name("data")
TABLES = sorted(DATA.glob("*.csv"))


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_a_table_is_whole(table: Path) -> None:
    rows = [line.split(",") for line in table.read_text("ascii").splitlines()]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert '"' not in table.read_text("ascii")
    assert len({tuple(row) for row in rows}) == len(rows)


def test_each_table_has_its_source() -> None:
    readme = (DATA / "README.md").read_text("utf-8")
    assert all(f"| `{table.name}` |" in readme for table in TABLES)
    assert readme.count("\n| `") == len(TABLES)


def test_releases_stand_in_order() -> None:
    releases = [torch for torch, _ in facts.torch_wheels()]
    assert releases == sorted(releases, key=Version)


def test_each_build_that_is_known_is_had_from_an_index() -> None:
    for torch, cuda, machine in facts.torch_builds():
        if machine == "x86_64":
            assert cuda in facts.torch_indexes()[".".join(torch.split(".")[:2])]


def test_releases_are_read() -> None:
    assert facts.read_release("12.1.105") == (12, 1)
    assert facts.read_release("12") == (12,)
    assert facts.read_release(None) == facts.read_release("none") == ()
    for odd in (
        "",
        "12.",
        ".1",
        "12.\N{SUPERSCRIPT TWO}",
        "1\N{ARABIC-INDIC DIGIT TWO}",
        "-1",
        "9" * 5000,
    ):
        assert facts.read_release(odd) == ()
    assert facts.show_release((12, 1)) == "12.1"


@pytest.mark.parametrize(
    ("driver", "windows", "release"),
    [
        ("550.54.15", False, (12, 4)),
        ("550.54.13", False, (12, 3)),
        ("535.183.01", False, (12, 2)),
        ("610.43.02", False, (13, 3)),
        ("390.157", False, ()),
        ("537.13", True, (12, 2)),
        ("unknown", False, ()),
    ],
)
def test_a_driver_serves_a_cuda(driver: str, windows: bool, release: facts.Release) -> None:  # noqa: FBT001
    assert facts.release_of_driver(driver, windows=windows) == release


@pytest.mark.parametrize(
    ("architecture", "capability", "runs"),
    [
        ("sm_80", (8, 6), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (8, 7), False),  # a Jetson has its own code
        ("sm_80", (9, 0), False),
        ("sm_90", (12, 0), False),
        ("compute_90", (12, 0), True),
        ("sm_120", (12, 1), True),
        ("sm_101", (11, 0), True),
        ("sm_100", (11, 0), False),
        ("sm_90a", (9, 0), True),
        ("sm_90a", (10, 0), False),
        ("sm_100a", (10, 3), False),
        ("sm_103a", (10, 3), True),
        ("sm_100f", (10, 0), True),
        ("sm_100f", (10, 3), True),
        ("sm_103f", (10, 0), False),
        ("sm_100f", (11, 0), False),
        ("sm_100f", (12, 0), False),
        ("sm_120f", (12, 1), True),
        ("compute_80", (8, 0), True),
        ("compute_80", (7, 5), False),
        ("compute_90", (9, 0), True),
        ("compute_90a", (9, 0), True),
        ("compute_90a", (12, 0), False),  # no later one has what it makes use of
        ("compute_100f", (10, 3), True),
        ("compute_100f", (12, 0), False),
        ("sm_37", (3, 7), True),  # older or newer than the table
        ("sm_35", (3, 7), True),
        ("sm_130", (13, 1), True),
        ("sm_131", (13, 0), False),
        ("sm_130", (14, 0), False),
        ("sm_90f", (9, 0), None),
        ("sm_90x", (9, 0), None),
        ("compute_100af", (10, 0), None),
        ("gfx90a", (9, 0), None),
        ("", (9, 0), None),
    ],
)
def test_code_runs_on_a_gpu(
    architecture: str,
    capability: facts.Release,
    runs: bool | None,  # noqa: FBT001
) -> None:
    assert facts.runs_on(architecture, capability) is runs


@pytest.mark.parametrize(("cuda", "runs"), [((), False), ((13, 0), False), ((13, 2), True)])
def test_a_jetson_runs_the_code_of_others_since_cuda_13_2(
    cuda: facts.Release,
    runs: bool,  # noqa: FBT001
) -> None:
    assert facts.runs_on("sm_80", (8, 7), cuda) is runs
    assert facts.runs_on("sm_86", (8, 7), cuda) is runs
    assert facts.runs_on("sm_80", (8, 6), cuda)
    assert not facts.runs_on("sm_87", (8, 6), cuda)


def test_a_part_of_cuda_belongs_to_a_release() -> None:
    assert facts.component_release("nvidia-cublas-cu12", "12.1.3.1") == (12, 1)
    assert facts.component_release("nvidia-cublas-cu12", "1.0") == ()
    assert facts.component_release("numpy", "1.0") == ()


def test_frameworks_are_known_between_their_first_and_last_release() -> None:
    assert facts.framework_release("tensorflow", "2.17.0") == (12, 3)
    assert facts.framework_release("vllm", "0.6.3") == (12, 1)
    assert facts.framework_release("vllm", "0.20.2") == (13,)
    assert facts.framework_release("vllm", "99") == ()


def test_the_wheel_has_the_tables(tmp_path: Path) -> None:
    with ZipFile(build_envmagic_wheel(tmp_path)) as wheel:
        assert {f"envmagic/data/{table.name}" for table in TABLES} <= set(wheel.namelist())
