"""UCF101 (Soomro et al., 2012)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from heatpool.extract.datasets.clips import Clip, without_suffix
from heatpool.extract.datasets.listing import (
    NO_SUCH_VIDEO,
    Listing,
    VideoFolder,
    annotation_files,
    numbered_lines,
)
from heatpool.extract.datasets.names import list_named
from heatpool.extract.datasets.spec import DatasetSpec, SplitRule, lines_of, numbers
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["list_ucf101", "ucf101"]

_LIST = re.compile(r"(train|test)list(0[1-3])\.txt")


def ucf101() -> DatasetSpec:
    """UCF101; a group of clips shares person and place, its number stands in the column `subject`.

    The published lists hold the groups 1-7, 8-14 and 15-21 out for test.
    """
    groups = numbers("1-25")
    tests = {"split1": numbers("1-7"), "split2": numbers("8-14"), "split3": numbers("15-21")}
    return DatasetSpec(
        name="ucf101",
        pattern=r"(?P<clip>v_(?P<action>[A-Za-z]+)_g(?P<subject>\d{2})_c(?P<repeat>\d{2}))",
        video="{action}/{clip}.avi",
        clip_id="{clip}",
        classes={name: name for name in lines_of("ucf101.txt")},
        splits={name: SplitRule("subject", train=groups - test, test=test) for name, test in tests.items()},
    )


def _name(clip: Clip) -> str:
    """Return what lists call a clip, in small letters: its path may lead to pictures."""
    return without_suffix(clip.clip_id.rpartition("/")[2]).casefold()


def list_ucf101(folder: VideoFolder) -> Listing:
    """List UCF101; with `--annotations` the splits come from the published trainlist and testlist files.

    Raises:
        HeatpoolError: if no file is such a list.
    """
    spec = ucf101()
    listing = list_named(spec, folder)
    if folder.annotations is None:
        return listing
    splits: dict[str, dict[str, Split]] = {}
    for path in annotation_files(folder.annotations, ".txt"):
        if match := _LIST.fullmatch(path.name):
            split = Split.TRAIN if match[1] == "train" else Split.TEST
            of_protocol = splits.setdefault(f"split{int(match[2])}", {})
            for line, text in numbered_lines(path):
                # Folders and lists disagree on one name: HandstandPushups, v_HandStandPushups_….
                name = Path(text.split()[0]).stem.casefold()
                if of_protocol.setdefault(name, split) != split:
                    raise HeatpoolError(
                        f"expected each video in one split, got {text} in line {line} of {path.name}, and in "
                        "the other list"
                    )
    if not splits:
        raise HeatpoolError(
            f"expected trainlist01.txt, testlist01.txt, … in {folder.annotations}, got none of them"
        )
    clips = [
        replace(
            clip,
            splits={name: split.get(_name(clip), Split.NONE) for name, split in splits.items()},
        )
        for clip in listing.manifest.clips
    ]
    here = {_name(clip) for clip in clips}
    absent = sorted({stem for split in splits.values() for stem in split} - here)
    disjoint = {name: column for name, column in spec.disjoint.items() if name in splits}
    manifest = replace(listing.manifest, clips=tuple(clips), disjoint=disjoint)
    return replace(listing, manifest=manifest).excluding(absent, NO_SUCH_VIDEO)
