"""A folder of wheels, and the set that most tests are told with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.backend import write_wheel
from support.wheels import Content, ProjectContent, make_sdist, make_wheel, wheel_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Unpack

_SCRIPT = """\
__version__ = "1.0"


def main() -> None:
    print("epsilon speaks")
"""

STANDARD: tuple[tuple[str, str, Content], ...] = (
    ("alpha", "1.0", {}),
    ("alpha", "1.1", {}),
    ("alpha", "2.0", {}),
    ("alpha", "2.1.0rc1", {}),
    ("beta", "1.0", {"requires": ["alpha"]}),
    ("beta", "2.0", {"requires": ["alpha"]}),
    ("gamma", "1.0", {"requires": ["alpha<2"], "extras": {"x": ["delta"]}}),
    ("delta", "1.0", {}),
    ("delta", "2.0", {}),
    ("tlocal", "2.4.0", {}),
    ("tlocal", "2.4.0+cpu", {}),
    ("tlocal", "2.4.0+cu121", {}),
    ("shared-a", "1.0", {"files": {"shared_core/core.py": 'OWNER = "shared-a"\n'}}),
    ("shared-b", "1.0", {"files": {"shared_core/core.py": 'OWNER = "shared-b"\n'}}),
    (
        "epsilon",
        "1.0",
        {
            "files": {"epsilon/__init__.py": _SCRIPT},
            "scripts": {"epsilon": "epsilon:main"},
            "data": {"share/epsilon/words.txt": "a data file\n"},
        },
    ),
)


class Wheelhouse:
    """A folder of wheels and sdists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def standard(cls, folder: Path) -> Wheelhouse:
        """Make a wheelhouse of the `STANDARD` set, for a test that adds to it or spoils it."""
        made = cls(folder)
        for name, version, content in STANDARD:
            made.add(name, version, **content)
        return made

    def add(self, name: str, version: str, **content: Unpack[Content]) -> Path:
        """Add a wheel."""
        return make_wheel(self.folder, name, version, **content)

    def add_sdist(self, name: str, version: str, **content: Unpack[ProjectContent]) -> Path:
        """Add an sdist."""
        return make_sdist(self.folder, name, version, **content)

    def add_liar(self) -> Path:
        """Add `lies` 1.0, whose RECORD names a file that is not there."""
        info = "lies-1.0.dist-info"
        texts = {"lies/__init__.py": ""}
        metadata = wheel_metadata("lies", "1.0", {})
        texts |= {f"{info}/{name}": text for name, text in metadata.items()}
        record = [*texts, "lies/nowhere.py", f"{info}/RECORD"]
        texts[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in record)
        path = self.folder / "lies-1.0-py3-none-any.whl"
        write_wheel(path, {name: text.encode() for name, text in texts.items()})
        return path
