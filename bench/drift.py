"""A lock that an environment has drifted away from, the same one every time."""

from __future__ import annotations

import hashlib
import re

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;#]+)")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")

# Small real projects that are not in `env250.txt`, so that an index knows them.
_ADDED = (
    "ansicolors==1.1.8",
    "cachelib==0.13.0",
    "colorlog==6.8.2",
    "dataclasses-json==0.6.7",
    "deepdiff==8.0.1",
    "docopt==0.6.2",
    "flask-cors==5.0.0",
    "funcy==2.0",
    "humanize==4.11.0",
    "inflection==0.5.1",
    "loguru==0.7.2",
    "parse==1.20.2",
    "peewee==3.17.7",
    "python-slugify==8.0.4",
    "tabulate==0.9.0",
    "toposort==1.10",
    "unidecode==1.3.8",
    "xmltodict==0.14.2",
)


def drifted_lock(lock_text: str, share: float = 0.1, seed: int = 0) -> str:
    """Return the lock with about `share` of its pins changed, removed or added.

    Of ten differences six are another version (which need not have been released), two
    are pins that are gone and two are new ones.
    """
    lines = lock_text.splitlines()
    pins = [line for line in lines if _PIN.match(line)]
    count = round(len(pins) * share)
    removed = count // 5
    added = min(removed, len(_ADDED))
    drawn = sorted(pins, key=lambda line: _draw(line, seed))
    gone = set(drawn[:removed])
    other = set(drawn[removed : count - added])
    new = sorted(_ADDED, key=lambda line: _draw(line, seed))[:added]
    kept = [_another_version(line) if line in other else line for line in lines if line not in gone]
    return "\n".join([*kept, *new]) + "\n"


def _draw(line: str, seed: int) -> str:
    """Return a key that sorts lines at random, but the same way on every machine."""
    return hashlib.sha256(f"{seed} {line}".encode()).hexdigest()


def _another_version(line: str) -> str:
    """Return the line with the last number of its version one lower, or 1 where it is 0."""
    return _PIN.sub(
        lambda pin: f"{pin['name']}=={_LAST_NUMBER.sub(_step, pin['version'])}", line, count=1
    )


def _step(number: re.Match[str]) -> str:
    return str(abs(int(number[0]) - 1))
