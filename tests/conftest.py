"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support.index import Index
from support.templates import Templates
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.environment import Environment

# What was started in the background ignores these, and so would all that the tests start.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# What a busy machine takes long for is no fault.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def machine() -> Iterator[dict[str, str]]:
    """Hide this machine's pip, uv and proxies from the tests; the value still has them."""
    machine = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        for name in machine:
            if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("UV_NO_CONFIG", "1")
        yield machine


@pytest.fixture(scope="session")
def templates(
    tmp_path_factory: pytest.TempPathFactory, machine: dict[str, str]
) -> Iterator[Templates]:
    """The environments to copy."""
    folder = tmp_path_factory.mktemp("templates")
    yield Templates(folder, machine)
    # pytest would keep the folders of three sessions: gigabytes.
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The standard wheelhouse, for all tests: add nothing, take nothing away."""
    return Wheelhouse.standard(tmp_path_factory.mktemp("wheelhouse"))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index of the standard wheelhouse; its `folder` is the test's own to change."""
    with Index(Wheelhouse.standard(tmp_path / "index").folder) as index:
        yield index


@pytest.fixture
def bare_environment(templates: Templates) -> Environment:
    """An environment with envmagic, and no kernel."""
    return templates.make("bare")


@pytest.fixture
def kernel_environment(templates: Templates) -> Environment:
    """An environment with envmagic and ipykernel."""
    return templates.make("kernel")
