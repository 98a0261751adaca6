"""Torches made by hand: what they say of themselves, and what they do when imported."""

from __future__ import annotations


def version_text(version: str, cuda: str | None, *, hip: str | None = None) -> str:
    """Return a `torch/version.py` as those of real wheels are."""
    return (
        "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'hip']\n"
        f"__version__ = {version!r}\ndebug = False\ncuda: Optional[str] = {cuda!r}\n"
        f"git_version = 'cf30153c4c131c8164ee7798e5022d810682e2cb'\nhip: Optional[str] = {hip!r}\n"
    )


def library_text(architectures: str) -> str:
    """Return a library that holds these among other texts, one of them nearly the same."""
    decoys = "\0compiled for sm_%d\0--gpu-name sm_\0see sm_80 there\0"
    return f"\x7fELF{decoys}{'x' * 100_000}{decoys}\0{architectures}\0{'y' * 100_000}\0"


def torch_files(version: str, cuda: str | None, architectures: str = "") -> dict[str, str]:
    """Return the files of a torch that can be looked at."""
    return {
        "torch/__init__.py": "raise ImportError('not to be imported')\n",
        "torch/version.py": version_text(version, cuda),
        "torch/lib/libtorch_python.so": library_text(architectures),
    }
