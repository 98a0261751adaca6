"""The steps of one plan: want, complete, protect, remove, and what must be held."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.check import find_conflicts
from envmagic.core.compare import compare, direction_of_range, place
from envmagic.core.model import Change, Distribution, Kind, Pin, When, canonical_name
from envmagic.core.repair import pin_to_repair, serves
from envmagic.core.requirement import find_closure, requirements_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import Name, Policy, Snapshot
    from envmagic.core.requirement import Markers, Requirement

    Conflict = tuple[Distribution, Requirement, When]
    _Asked = list[tuple[Distribution, Requirement]]

KERNEL = canonical_name("ipykernel")
"""What a kernel's process starts with: the one closure that no lock may break."""

_ENGINE = ("pip", "pip-tools")
_ROOTS = ("ipykernel", "envmagic", *_ENGINE)
# Where the server of this kernel lives in the same prefix, it has to live on, too.
_SERVERS = ("jupyterlab", "notebook", "jupyter-server", "ipywidgets", "nbclassic", "jupyterhub")
# What pip-sync itself never uninstalls (`PACKAGES_TO_IGNORE` in its sync.py): a plan
# that removed these would not be carried out.
_NEVER_REMOVED = ("pip-review", "pkg-resources", "python", "wsgiref", "argparse")
_NEVER_REMOVED_BEFORE_312 = ("setuptools", "distribute", "wheel")


def described_by(pin: Pin) -> Distribution:
    """Return what a pin puts in, as far as the pin alone tells."""
    version = "" if pin.version is None else pin.version
    return Distribution(name=pin.name, version=version, source=pin.source)


def uncovered_by(copies: tuple[Distribution, ...]) -> dict[Name, Distribution]:
    """Return what is imported of a name once this environment has no copy of it."""
    return {d.name: d for d in [d for d in copies if not d.local][:1]}


def matches(name: Name, glob: str) -> bool:
    """Whether a glob, in any spelling of a name, means this one."""
    return fnmatchcase(name, glob.lower().replace("_", "-").replace(".", "-"))


@dataclass
class Planner:
    """The steps of one plan.

    `changes` is the answer as far as it has come, `future` the set that follows from it.
    """

    snapshot: Snapshot
    policy: Policy
    known: Mapping[Name, Distribution]
    constraints: tuple[Pin, ...]
    not_locked: tuple[Name, ...]
    broken: frozenset[tuple[Name, str]]
    held: Mapping[Name, str]
    repairs: Mapping[Name, str]
    """Why what would stay is put in again."""
    changes: dict[Name, Change] = field(default_factory=dict)
    replaced: set[Name] = field(default_factory=set)
    """What the lock does not name, and cannot be kept as it is."""

    def __post_init__(self) -> None:
        self.by_name = self.snapshot.by_name()
        self.installed = {name: found[0] for name, found in self.by_name.items()}
        self.future = dict(self.installed)
        self.markers: Markers = self.snapshot.platform.markers

    def _decide(
        self, kind: Kind, name: Name, reason: str, *, pin: Pin | None = None, note: str = ""
    ) -> None:
        """Write one name's row, and what it makes of the set to come."""
        installed = self.installed.get(name)
        again = self._why_again(name, pin) if kind.stays else ""
        if installed is not None and again:
            kind, pin = Kind.REINSTALL, pin_to_repair(installed, pin)
            note = "; ".join(filter(None, [note, again]))
        if kind.installs and installed is not None and name in self.held:
            kind, reason = Kind.HELD, self.held[name]
        if kind is Kind.EQUAL and installed is not None:
            wanted = str(installed.version)
        else:
            wanted = self._wanted(pin) if pin else ""
        self.changes[name] = Change(
            name=name,
            kind=kind,
            reason=reason,
            installed=installed,
            pin=pin,
            wanted=wanted,
            note=note,
        )
        if kind.installs and pin is not None:
            staged = self.known.get(name)
            if installed is not None and again:
                self.future[name] = staged if staged and serves(staged, pin) else installed
            else:
                self.future[name] = staged or described_by(pin)
        elif kind is Kind.REMOVE:
            del self.future[name]
            self.future |= uncovered_by(self.by_name[name])
        elif installed is not None:
            self.future[name] = installed

    def _why_again(self, name: Name, pin: Pin | None) -> str:
        """Return why something that stays must be put in again; empty: it need not be."""
        found = self.by_name.get(name, ())
        doubled = f"{len(found)} copies of its metadata" if pin and _is_doubled(found) else ""
        return "; ".join(filter(None, [doubled, self.repairs.get(name, "")]))

    def _wanted(self, pin: Pin) -> str:
        if pin.version is not None:
            return str(pin.version)
        staged = self.known.get(pin.name)
        return str(staged.version) if staged else pin.specifier or place(pin.source) or "any"

    def want(self, pins: Iterable[Pin]) -> None:
        """Compare each pin with what is installed of its name."""
        for pin in pins:
            self._want(pin)

    def _want(self, pin: Pin) -> None:
        found = self.by_name.get(pin.name, ())
        reason = pin.where or "lock"
        if not found:
            return self._decide(Kind.INSTALL, pin.name, reason, pin=pin)
        kind, note = compare(
            found[0], pin, self.known.get(pin.name), strict_labels=self.policy.strict_labels
        )
        if kind is not Kind.EQUAL and found[0].ahead:
            kind, reason = Kind.HELD, _comes_first(found[0])
        elif kind.installs and _is_doubled(found) and any(_is_right(d, pin) for d in found):
            # pip-sync goes by any one of the copies: the right one would content it.
            kind, note = Kind.REINSTALL, self._why_again(pin.name, pin)
        return self._decide(kind, pin.name, reason, pin=pin, note=note)

    def complete(self) -> bool:
        """Add what the locked distributions require and the lock does not name.

        Returns whether that is the answer: a choice that was taken back after its own
        requirements were followed is noted in `replaced`, and all must be asked again.
        """
        self._forget_unlocked()
        waiting = [(c.name, c.pin.extras if c.pin else frozenset()) for c in self.changes.values()]
        waiting.sort(key=lambda item: (item[0], sorted(item[1])))
        seen: dict[Name, set[frozenset[str]]] = {}
        asked: dict[Name, _Asked] = {}
        while waiting:
            name, extras = waiting.pop(0)
            if name not in self.future or extras in seen.get(name, ()):
                continue
            seen.setdefault(name, set()).add(extras)
            requirer = self.future[name]
            for requirement in requirements_of(requirer, self.markers, extras):
                needed = requirement.name
                if needed not in self.changes or needed in asked:
                    asked.setdefault(needed, []).append((requirer, requirement))
                    before = self.future.get(needed)
                    self._complete_with(asked[needed])
                    if needed in seen and self.future[needed] != before:
                        self.replaced.add(needed)
                        return False
                waiting.append((needed, requirement.extras))
        return True

    def _forget_unlocked(self) -> None:
        for name in [c.name for c in self.changes.values() if not c.locked]:
            del self.changes[name]
            if name in self.installed:
                self.future[name] = self.installed[name]
            else:
                del self.future[name]

    def _complete_with(self, asked: _Asked) -> None:
        """Plan what is not in the lock, but required by what is: keep it, or get it."""
        requirer, first = asked[0]
        name = first.name
        specifiers = {requirement.specifier for _, requirement in asked}
        specifiers |= {pin.specifier for pin in self.constraints if pin.name == name}
        pin = Pin(
            name=name,
            specifier=",".join(sorted(specifiers - {""})),
            extras=frozenset[str]().union(*(requirement.extras for _, requirement in asked)),
            requirer=requirer.name,
        )
        installed, staged = self.installed.get(name), self.known.get(name)
        if installed is None:
            kind = Kind.INSTALL
        elif name in self.not_locked or (
            name not in self.replaced
            and all(requirement.allows(installed.version) for _, requirement in asked)
        ):
            kind = Kind.KEEP
        else:
            kind = direction_of_range(installed.version, pin.specifier, staged)
        reason = f"not in the lock; `{requirer.name}` {requirer.version} requires it"
        if kind.installs and installed is not None and installed.ahead:
            kind, reason = Kind.HELD, _comes_first(installed)
        self._decide(kind, name, reason, pin=pin)

    def protect(self) -> None:
        """Keep what the kernel, the engine and the server need, and what the user names.

        Each with all that it requires.
        """
        for name, requirer in self._protected().items():
            self._keep(name, f"protected: `{requirer}` requires it", root=name == requirer)
        asked = [n for n in self.installed if any(matches(n, glob) for glob in self.policy.keep)]
        roots = [name for name in (*self.not_locked, *asked) if name not in self.changes]
        for name in self.not_locked:
            self._keep(name, "the lock says that it could not be written as a line")
        for name in asked:
            self._keep(name, "kept as asked")
        for name, requirer in find_closure(roots, self._best_known(), self.markers).items():
            self._keep(name, f"kept: `{requirer}` requires it")
        for name in () if self.policy.remove_extraneous else self.installed:
            self._keep(name, "not in the lock, kept as asked")

    def _keep(self, name: Name, reason: str, *, root: bool = False) -> None:
        if name in self.installed and name not in self.changes:
            self._decide(Kind.KEEP, name, "protected" if root else reason)

    def _protected(self) -> dict[Name, Name]:
        roots = [*_ROOTS, *_SERVERS, *_NEVER_REMOVED]
        if Version(self.snapshot.platform.python) < Version("3.12"):
            roots += _NEVER_REMOVED_BEFORE_312
        return find_closure(map(canonical_name, roots), self._best_known(), self.markers)

    def find_engine(self) -> frozenset[Name]:
        """Return what pip and pip-sync need while they work."""
        engine = map(canonical_name, _ENGINE)
        return frozenset(find_closure(engine, self.installed, self.markers))

    def _best_known(self) -> dict[Name, Distribution]:
        """Return the set to come; what is not known of it yet, as it is now."""
        unknown = (c.name for c in self.changes.values() if c.kind.installs)
        now = {n: self.installed[n] for n in unknown if n in self.installed and n not in self.known}
        return {**self.future, **now}

    def remove_extraneous(self) -> None:
        """Remove what nobody asks for; what lies outside this environment is not ours."""
        changing = [
            c.name for c in self.changes.values() if c.kind.installs and c.name not in self.known
        ]
        perhaps = find_closure(sorted(changing), self.installed, self.markers)
        for name, installed in self.installed.items():
            if name not in self.changes and installed.local:
                reason = "not in the lock"
                if name in perhaps:
                    reason += f", unless the new `{perhaps[name]}` still requires it"
                self._decide(Kind.REMOVE, name, reason)

    def find_conflicts(self) -> list[Conflict]:
        """Return what the set to come does not satisfy, and whether it is so already."""
        return [
            (requirer, requirement, When.NOW if self._is_old(requirer, requirement) else When.AFTER)
            for requirer, requirement in find_conflicts(self.future, self.markers)
            if not self._is_chosen_later(requirement.name)
        ]

    def _is_old(self, requirer: Distribution, requirement: Requirement) -> bool:
        return (requirer.name, requirement.text) in self.broken

    def find_what_breaks_the_kernel(self, conflicts: list[Conflict]) -> tuple[Name, str] | None:
        """Return a change that the kernel could not start after, and why; None: none."""
        kernel = find_closure([KERNEL], self.future, self.markers)
        for requirer, requirement, when in conflicts:
            if requirer.name not in kernel or when is When.NOW:
                continue
            suspects = [*_chain(requirer.name, kernel)]
            old = self.installed.get(requirement.name)
            if old is not None and requirement.allows(old.version):
                suspects.insert(0, requirement.name)
            for name in suspects:
                change = self.changes.get(name)
                if change is not None and change.kind.installs and change.installed is not None:
                    return name, (
                        f"the kernel's own `{requirer.name}` {requirer.version} "
                        f"requires `{requirement.name}{requirement.specifier}`"
                    )
        return None

    def _is_chosen_later(self, name: Name) -> bool:
        """Whether the version to come is not known yet."""
        change = self.changes.get(name)
        return bool(
            change
            and change.kind.installs
            and change.pin
            and change.pin.version is None
            and name not in self.known
        )


def _chain(name: Name, requirers: Mapping[Name, Name]) -> Iterator[Name]:
    """Yield a name, who requires it, who requires that, to the root of a closure."""
    yield name
    while requirers[name] != name:
        name = requirers[name]
        yield name


def _comes_first(outside: Distribution) -> str:
    return f"`{outside.location}` comes first on the path"


def _is_right(copy: Distribution, pin: Pin) -> bool:
    return copy.local and compare(copy, pin)[0] is Kind.EQUAL


def _is_doubled(found: tuple[Distribution, ...]) -> bool:
    return len(found) > 1 and sum(d.local and d.location == found[0].location for d in found) > 1
