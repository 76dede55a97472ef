"""Which classes of a network are persons, by their names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from heatpool.pool.errors import HeatpoolError

__all__ = ["PersonClasses", "find_person_classes"]

_log = logging.getLogger(__name__)

_PERSON = "person"
_ALSO = ("people", "persons", "pedestrian", "pedestrians", "human", "humans")
_NAMELESS = "item"  # what ultralytics calls the class of a network that was trained with single_cls
_SHOWN = 8


@dataclass(frozen=True)
class PersonClasses:
    """The classes of a network that count.

    Attributes:
        numbers: of these classes.
        are_persons: whether they are persons as far as their names tell.
    """

    numbers: tuple[int, ...]
    are_persons: bool


def find_person_classes(
    names: Mapping[int, str], file_name: str, *, has_joints: bool = False
) -> PersonClasses:
    """Return which classes count as persons.

    That is every class called person, whatever its number and case; where none is, every one called people,
    pedestrian or human. The class of a network that has only one counts whatever it is called. All classes of
    a pose network that knows no persons count: it is made for others.

    Args:
        names: by number; empty if the network names none, whose first class counts.
        file_name: for messages.
        has_joints: it is a pose network.

    Raises:
        HeatpoolError: if it is a detector of several classes without persons.
    """
    plain = {number: " ".join(str(name).split()).lower() for number, name in names.items()}
    if not names:
        _log.info(f"{file_name} does not name its classes; the first counts as person")
        return PersonClasses((0,), True)
    if found := tuple(number for number, name in plain.items() if name == _PERSON):
        return PersonClasses(found, True)
    if found := tuple(number for number, name in plain.items() if name in _ALSO):
        _log.info(f"{file_name} calls no class 'person'; {', '.join(names[each] for each in found)} count")
        return PersonClasses(found, True)
    if len(names) == 1:
        (name,) = plain.values()
        return PersonClasses(tuple(names), name == _NAMELESS or name.isdigit())
    called = ", ".join(str(name) for name in list(names.values())[:_SHOWN])
    if not has_joints:
        raise HeatpoolError(
            f"expected a class 'person' in {file_name}, got {called}: give a detector that finds persons"
        )
    _log.info(f"{file_name} knows no class 'person'; all of its classes count: {called}")
    return PersonClasses(tuple(names), False)
