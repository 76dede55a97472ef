"""Versions of the packages that made features, and which differences matter (docs/versions.md)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from heatpool.pool.errors import HeatpoolError, shorten

__all__ = [
    "KNOWN_CHANGES",
    "KnownChange",
    "Versions",
    "check_versions",
    "describe_versions",
    "join_versions",
    "parse_versions",
]

_log = logging.getLogger(__name__)

Versions = Mapping[str, tuple[str, ...]]
"""By name of a package, the versions of it that had a part in some numbers; empty = not known."""


@dataclass(frozen=True)
class KnownChange:
    """A version of a package from which on features are others.

    Attributes:
        package: as `Versions` names it.
        since: first version of the new kind, as far as it has to be told.
        effect: what changed, and by how much pooled features move.
        spares: backbones whose features stay as they are.
    """

    package: str
    since: tuple[int, ...]
    effect: str
    spares: frozenset[str] = frozenset()

    def lies_between(self, versions: Versions, *, backbone: str) -> bool:
        """Whether some of these versions are of the old and some of the new kind, and that network minds."""
        if backbone in self.spares:
            return False
        return len({_numbers(each) >= self.since for each in versions.get(self.package, ())}) > 1


KNOWN_CHANGES = (
    KnownChange(
        "opencv",
        (5,),
        "crops are no longer read at whole 32nds of a pixel: pooled features move by 0.4 to 6 %",
        spares=frozenset({"yolo-pose"}),
    ),
)
"""By `python -m benchmarks.versions`, run whenever the versions in setup.cfg or constraints.txt change. What
setup.cfg excludes has no place here."""


def join_versions(*parts: Versions) -> Versions:
    """All versions that had a part, by package in the order of the alphabet."""
    names = sorted(set(chain.from_iterable(parts)))
    return {
        name: tuple(dict.fromkeys(chain.from_iterable(part.get(name, ()) for part in parts)))
        for name in names
    }


def parse_versions(value: Any) -> Versions:
    """Versions out of JSON. Raises ValueError if it is another kind of value."""
    if not isinstance(value, dict):
        raise ValueError(f"expected versions by package, got {shorten(value)}")
    for name, versions in value.items():
        if not isinstance(versions, list) or not all(isinstance(each, str) for each in versions):
            raise ValueError(
                f"expected a list of texts as versions of {shorten(name)}, got {shorten(versions)}"
            )
    return {name: tuple(versions) for name, versions in value.items()}


def describe_versions(versions: Versions) -> str:
    """Versions in one line; "" where they are not known."""
    return ", ".join(f"{name} {' and '.join(each)}" for name, each in versions.items())


def check_versions(makers: Mapping[str, Versions], *, backbone: str, mixed: bool) -> None:
    """Say in which versions those who make one set of features differ.

    Only packages that all of them record are compared; one alone is held against itself.

    Args:
        makers: versions by the name of a store or process, for the message.
        backbone: name of the pose network.
        mixed: differences that are known to move features are warned of, not refused.

    Raises:
        HeatpoolError: if a known change lies between them, unless `mixed`.
    """
    unknown = [name for name, versions in makers.items() if not versions]
    if unknown and len(makers) > 1:
        _log.info("%s records no versions of packages, so they are not compared", unknown[0])
        return
    joined = join_versions(*makers.values())
    shared = [name for name in joined if all(name in versions for versions in makers.values())]
    differ = {name: joined[name] for name in shared if len(joined[name]) > 1}
    if not differ:
        return
    words = "; ".join(
        f"{name} " + ", ".join(f"{' and '.join(made[name])} ({maker})" for maker, made in makers.items())
        for name in differ
    )
    effects = "; ".join(
        change.effect for change in KNOWN_CHANGES if change.lies_between(differ, backbone=backbone)
    )
    if not effects:
        _log.info("other versions, not known to move features: %s", words)
    elif mixed:
        _log.warning("features of other versions (%s): %s", effects, words)
    else:
        raise HeatpoolError(
            f"features would not be alike ({effects}): {words}; install the same versions, or go on with "
            "--mixed-versions"
        )


def _numbers(version: str) -> tuple[int, ...]:
    """The release number of a version: 4.14.0 of 4.14.0rc1+cpu."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
