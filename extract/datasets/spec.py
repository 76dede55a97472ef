"""A data set as data: what its file names say, which classes it has, how its protocols split it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources

from heatpool.pool.records import FIRST_COLUMNS, Split

__all__ = ["DatasetSpec", "PersonRule", "SplitRule", "lines_of", "numbers"]


@dataclass(frozen=True)
class PersonRule:
    """How many persons a clip shows.

    Attributes:
        field: field of the file name that decides.
        counts: value of the field to number of persons.
        rest: number for every other value, 0 = unknown.
    """

    field: str
    counts: Mapping[str, int]
    rest: int


@dataclass(frozen=True)
class SplitRule:
    """How a protocol splits the clips: by the value of one column, which the splits must not share.

    Attributes:
        column: subject, camera, setup or repeat.
        train: values that train.
        val: values that validate.
        test: values that test.
        rest: split of every other value.
        classes: names of the classes that take part, empty for all.

    Raises:
        ValueError: if the column is not one of a manifest, or a value is in two splits.
    """

    column: str
    train: frozenset[str] = frozenset()
    val: frozenset[str] = frozenset()
    test: frozenset[str] = frozenset()
    rest: Split = Split.NONE
    classes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.column not in FIRST_COLUMNS:
            raise ValueError(f"expected a column of {', '.join(FIRST_COLUMNS)}, got {self.column!r}")
        if len(self.train | self.val | self.test) < len(self.train) + len(self.val) + len(self.test):
            raise ValueError(f"expected each {self.column} in one split, got one in two")

    def split_of(self, value: str, class_name: str) -> Split:
        """Return the split of a clip with this value of the column, NONE for a class that is not in it."""
        if self.classes and class_name not in self.classes:
            return Split.NONE
        for split, values in ((Split.TRAIN, self.train), (Split.VAL, self.val), (Split.TEST, self.test)):
            if value in values:
                return split
        return self.rest


@dataclass(frozen=True)
class DatasetSpec:
    """A data set whose file names say what a clip is.

    Fields are the named groups of `pattern`; digits lose their leading zeros (`P007` gives subject `7`).
    Fields called subject, camera, setup and repeat become columns of the manifest.

    Attributes:
        name: as `heatpool manifest --dataset` calls it.
        pattern: regular expression for the end of a path without its suffix, whole path components.
        video: path of a clip's video as published, a format string over the fields (`{setup:0>3}`).
        clip_id: name of the clip in published lists, a format string over the fields.
        classes: value of the field `action` (any case) to class name, in label order.
        splits: official protocols.
        persons: how many persons a clip shows, None when nothing is known.
        missing: clip ids that every paper leaves out.
        missing_reason: why.

    Raises:
        ValueError: if `action` is no group of the pattern.
    """

    name: str
    pattern: str
    video: str
    clip_id: str
    classes: Mapping[str, str]
    splits: Mapping[str, SplitRule] = field(default_factory=dict)
    persons: PersonRule | None = None
    missing: frozenset[str] = frozenset()
    missing_reason: str = "missing"

    def __post_init__(self) -> None:
        if "action" not in self._regex.groupindex:
            raise ValueError(f"expected a group 'action' in the pattern of {self.name}")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(rf"(?:^|/){self.pattern}\Z")

    @cached_property
    def _labels(self) -> dict[str, tuple[int, str]]:
        return {value.casefold(): (at, name) for at, (value, name) in enumerate(self.classes.items())}

    @property
    def disjoint(self) -> dict[str, str]:
        """The column, by protocol, whose values train and test must not share."""
        return {name: rule.column for name, rule in self.splits.items()}

    def fields(self, path: str) -> dict[str, str] | None:
        """Return what a path (with / and without suffix) says, None when it is no name of the data set."""
        match = self._regex.search(path)
        if match is None:
            return None
        groups = match.groupdict(default="")
        return {name: str(int(text)) if text.isdecimal() else text for name, text in groups.items()}

    def label(self, fields: Mapping[str, str]) -> tuple[int, str] | None:
        """Return label and class name, None when the class is not one of the data set's."""
        return self._labels.get(fields["action"].casefold())

    def count_persons(self, fields: Mapping[str, str]) -> int:
        """Return how many persons the clip shows, 0 when unknown."""
        if self.persons is None:
            return 0
        return self.persons.counts.get(fields[self.persons.field], self.persons.rest)

    def splits_of(self, fields: Mapping[str, str], class_name: str) -> dict[str, Split]:
        """Return the split of the clip in each protocol."""
        return {
            name: rule.split_of(fields.get(rule.column, ""), class_name) for name, rule in self.splits.items()
        }


def numbers(text: str) -> frozenset[str]:
    """Read `"1 2 4 91-97"` as papers print it: a set of numbers as text, ranges inclusive."""
    found: set[str] = set()
    for word in text.split():
        first, _, last = word.partition("-")
        found.update(map(str, range(int(first), int(last or first) + 1)))
    return frozenset(found)


def lines_of(name: str) -> tuple[str, ...]:
    """Return the lines of a text file that is shipped in the folder `data` of this package."""
    text = (resources.files(__package__) / "data" / name).read_text(encoding="utf-8")
    return tuple(text.splitlines())
