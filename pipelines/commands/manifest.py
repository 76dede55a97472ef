"""`heatpool manifest`: the list of clips of a data set, as a CSV to look at and edit."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from heatpool.extract.datasets import DATASETS
from heatpool.extract.datasets.carve import carve_split, group_by
from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.listing import IntervalRule, Listing, besides, scan
from heatpool.extract.datasets.manifest import Clip
from heatpool.pipelines.options import ManifestOptions
from heatpool.pipelines.options.shared import split_words
from heatpool.pool.disk.atomic import atomic_file, refuse_existing
from heatpool.pool.disk.class_names import read_class_names
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split
from heatpool.pool.split_findings import find_split_problems

__all__ = ["excluded_path", "run"]

_log = logging.getLogger(__name__)

_NAMED = 10  # groups that are written out


def run(options: ManifestOptions) -> int:
    """Write the manifest and report what it holds and what was excluded.

    Raises:
        HeatpoolError: if the folder holds no video of the data set, an option does not fit it, or the file
            exists already.
    """
    if not options.videos.is_dir():
        raise HeatpoolError(f"expected a folder of videos, got {options.videos}")
    refuse_existing(options.out, options.overwrite)
    folder = replace(
        scan(
            options.videos,
            fps=options.fps,
            frames=options.frames,
            may_be_empty=options.dataset in ("csv", "list", "intervals", "boris"),
        ),
        annotations=options.annotations,
        columns=options.column_names,
        classes=read_class_names(options.class_names) if options.class_names else None,
        keep_missing=options.keep_missing,
        intervals=IntervalRule(split_words(options.tiers), options.point_s, options.background),
    )
    listing, notes = _with_splits(DATASETS[options.dataset](folder), options)
    listing.manifest.write(options.out, overwrite=options.overwrite)
    _write_excluded(listing, excluded_path(options.out))
    index = listing.manifest.index()
    problems = [line for protocol in index.splits for line in find_split_problems(index, protocol)]
    for line in [*_summary(listing, options.out), *notes, *(f"  {line}" for line in problems)]:
        _log.info(line)
    return 0


def excluded_path(manifest: Path) -> Path:
    """Return where the list of what a manifest excludes goes."""
    return manifest.with_suffix(".excluded.csv")


def _with_splits(listing: Listing, options: ManifestOptions) -> tuple[Listing, list[str]]:
    """Draw the test and val splits that were asked for; return notes about it."""
    clips: Sequence[Clip] = listing.manifest.clips
    notes = []
    protocols = listing.manifest.protocols
    if options.test_fraction:
        if protocols:
            raise HeatpoolError(
                f"expected no --test-fraction: the data set says what is test ({', '.join(protocols)})"
            )
        protocols = (SPLIT,)
        clips = [replace(clip, splits={SPLIT: Split.TRAIN}) for clip in clips]
        clips, note = _carve(clips, SPLIT, Split.TEST, options)
        notes.append(note)
    if (options.val_fraction or options.val_groups) and not protocols:
        raise HeatpoolError("expected --test-fraction too: the data set has no protocol to take val from")
    for protocol in protocols:
        splits = Counter(clip.splits[protocol] for clip in clips)
        if options.val_fraction or options.val_groups:
            if splits[Split.VAL]:
                notes.append(f"  {protocol} has a val split of its own, which is kept")
            elif not splits[Split.TRAIN]:
                notes.append(f"  {protocol} has no train clip here to take val from")
            else:
                clips, note = _carve(clips, protocol, Split.VAL, options)
                notes.append(note)
    return listing.with_clips(clips), notes


def _carve(
    clips: Sequence[Clip], protocol: str, into: Split, options: ManifestOptions
) -> tuple[list[Clip], str]:
    values = options.val_groups if into == Split.VAL else ()
    by = options.val_by
    if by == "auto":
        by = "subject" if values else group_by(clips)
    carved, groups = carve_split(
        clips,
        protocol,
        into=into,
        by=by,
        fraction=options.val_fraction if into == Split.VAL else options.test_fraction,
        values=values,
        seed=options.seed,
    )
    who = ("video" if by == "clip" else by) + "s" * (len(groups) != 1)
    if not groups:
        return carved, f"  {protocol}: no {into.name.lower()}, too few {who} in train to take one out"
    named = f": {', '.join(groups)}" if by != "clip" and len(groups) <= _NAMED else ""
    return carved, f"  {protocol}: {into.name.lower()} took {len(groups)} {who} out of train{named}"


def _summary(listing: Listing, out: Path) -> list[str]:
    manifest = listing.manifest
    classes = len({clip.label for clip in manifest.clips if clip.label >= 0})
    clips, names = len(manifest.clips), len(manifest.class_names)
    of = f" of {names}" if 0 < classes < names else ""
    lines = [f"{out}: {clips} clip{'s' * (clips > 1)}, {classes or 'no'}{of} class{'es' * (names != 1)}"]
    for protocol in manifest.protocols:
        splits = Counter(clip.splits[protocol] for clip in manifest.clips)
        sizes = [f"{splits[split]} {split.name.lower()}" for split in (Split.TRAIN, Split.VAL, Split.TEST)]
        none = f", {splits[Split.NONE]} in no split" if splits[Split.NONE] else ""
        lines.append(f"  {protocol}: {', '.join(sizes)}{none}")
    for reason, count in listing.reasons():
        kinds = besides(each for each in listing.excluded if each.reason == reason)
        lines.append(f"  excluded {count}: {reason}{f' ({kinds})' if kinds else ''}")
    if listing.excluded:
        lines.append(f"  each excluded file is in {excluded_path(out)}")
    return lines


def _write_excluded(listing: Listing, path: Path) -> None:
    path.unlink(missing_ok=True)  # of an older manifest
    if listing.excluded:
        with atomic_file(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "reason"])
            writer.writerows((each.path, each.reason) for each in listing.excluded)
