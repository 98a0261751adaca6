"""A wheel that keeps pip at work for seconds: something can happen meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.story import wait_until

if TYPE_CHECKING:
    from support.environment import Environment
    from support.wheelhouse import Wheelhouse

_COUNT = 4000


def add_many(wheelhouse: Wheelhouse) -> None:
    """Add `many` 1.0: thousands of small files."""
    files = {f"many/m{number:04}.txt": f"{number}\n" for number in range(_COUNT)}
    wheelhouse.add("many", "1.0", files=files)


def wait_until_half_done(environment: Environment) -> None:
    """Wait until pip is in the middle of `many`: others are gone or there already."""
    folder = environment.site_packages / "many"
    wait_until((folder / "m0100.txt").exists)
    assert not (folder / f"m{_COUNT - 1}.txt").exists()
