"""The steps of a sync, as they can be seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.templates import NUMPY

from envmagic.change import rescue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.witness import Seen, Witness

_OLD, _NEW = (f"numpy-{version}.dist-info" for version in NUMPY)
_GOES = ("goes-1.0.dist-info", "spec-1.0.dist-info", "space_one-1.0.dist-info")


class Sight:
    """What one can see of a sync at an instant, and what one has seen of it."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self._kept = witness.changes()
        self._probed = False
        self.seen: list[Seen] = []

    def look(self) -> Sight:
        """Look again."""
        self.seen = self.witness.look()
        return self

    @property
    def change(self) -> Path | None:
        """The folder of the change that is watched, once it is there."""
        return self.witness.change() if self.witness.changes() > self._kept else None

    @property
    def has_begun(self) -> bool:
        """Whether the journal is written."""
        change = self.change
        return change is not None and (change / rescue.JOURNAL).exists()

    @property
    def is_over(self) -> bool:
        """Whether the change has ended, one way or the other."""
        change = self.change
        return change is not None and any(
            (change / name).exists() for name in (rescue.OUTCOME, rescue.ROLLED_BACK)
        )

    @property
    def is_rolling_back(self) -> bool:
        """Whether somebody is putting back."""
        change = self.change
        return change is not None and (change / rescue.ROLLING_BACK).exists()

    def runs(self, *words: str) -> bool:
        """Whether an engine runs with these arguments."""
        return any(seen.is_engine and seen.runs(*words) for seen in self.seen)

    def there(self, *paths: str) -> bool:
        """Whether any of these is in `site-packages`."""
        return any(self.witness.there(path) for path in paths)

    def has_probed(self) -> bool:
        """Whether the probe of a kernel has been seen, and has ended."""
        probes = self.has_begun and self.runs("ipykernel_launcher", "--version")
        self._probed |= probes
        return self._probed and not probes


MOMENTS: Mapping[str, Callable[[Sight], bool]] = {
    "the stash is made": lambda s: s.change is not None and not s.has_begun,
    "after the journal": lambda s: s.has_begun,
    "the rehearsal": lambda s: s.runs("piptools", "--dry-run"),
    "pip uninstalls": lambda s: s.has_begun and s.runs("pip", "uninstall") and not s.there("goes"),
    "between uninstall and install": lambda s: s.has_begun and not s.there(*_GOES),
    "numpy is out, not in": lambda s: not s.there(f"{_OLD}/METADATA", "numpy/version.py"),
    "half of numpy is in": lambda s: not s.there(f"{_OLD}/METADATA") and s.there("numpy/_core"),
    "late in the install": lambda s: s.there(f"{_NEW}/RECORD"),
    "the kernel probe": lambda s: s.has_begun and s.runs("ipykernel_launcher", "--version"),
    "at the commit": lambda s: s.has_probed() or s.is_over,
}
"""What can be seen from outside of each step."""
