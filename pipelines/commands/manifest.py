"""`heatpool manifest`: the list of clips of a data set, as a CSV to look at and edit."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from heatpool.extract.datasets import DATASETS
from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.manifest import Clip
from heatpool.extract.datasets.source import Listing, scan
from heatpool.extract.datasets.validation import carve_part, group_by
from heatpool.pipelines.options import ManifestOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["left_out_path", "run"]

_NAMED = 10  # groups that are written out


def run(config: ManifestOptions) -> int:
    """Write the manifest and say what it holds and what was left out.

    Raises:
        HeatpoolError: if the folder holds no video of the data set, an option does not fit it, or the file
            exists already.
    """
    if not config.videos.is_dir():
        raise HeatpoolError(f"expected a folder of videos, got {config.videos}")
    if config.out.exists() and not config.overwrite:
        raise HeatpoolError(f"{config.out} exists; give --overwrite to replace it")
    source = replace(
        scan(config.videos),
        annotations=config.annotations,
        columns=config.column_names,
        keep_missing=config.keep_missing,
    )
    listing = DATASETS[config.dataset](source)
    listing, notes = _with_parts(listing, config)
    try:
        listing.manifest.write(config.out)
        _write_left_out(listing, left_out_path(config.out))
    except OSError as error:
        raise HeatpoolError(f"cannot write {config.out}: {error.strerror}") from error
    print("\n".join([*_summary(listing, config.out), *notes]), file=sys.stderr)
    return 0


def left_out_path(manifest: Path) -> Path:
    """Return where the list of what a manifest left out goes."""
    return manifest.with_suffix(".left_out.csv")


def _with_parts(listing: Listing, config: ManifestOptions) -> tuple[Listing, list[str]]:
    """Draw the test and val splits that were asked for; return what is to be said about it."""
    clips: Sequence[Clip] = listing.manifest.clips
    notes = []
    protocols = listing.manifest.protocols
    if config.test_fraction:
        if protocols:
            raise HeatpoolError(
                f"expected no --test-fraction: the data set says what is test ({', '.join(protocols)})"
            )
        protocols = (SPLIT,)
        clips = [replace(clip, splits={SPLIT: Split.TRAIN}) for clip in clips]
        clips, note = _carve(clips, SPLIT, Split.TEST, config)
        notes.append(note)
    if (config.val_fraction or config.val_groups) and not protocols:
        raise HeatpoolError("expected --test-fraction too: the data set has no protocol to take val from")
    for protocol in protocols:
        splits = Counter(clip.splits[protocol] for clip in clips)
        if config.val_fraction or config.val_groups:
            if splits[Split.VAL]:
                notes.append(f"  {protocol} has a val split of its own, which is kept")
            elif not splits[Split.TRAIN]:
                notes.append(f"  {protocol} has no train clip here to take val from")
            else:
                clips, note = _carve(clips, protocol, Split.VAL, config)
                notes.append(note)
        elif splits[Split.TRAIN] and not splits[Split.VAL]:
            notes.append(f"  {protocol} has no val split, which train needs: add --val-fraction 0.05")
    return listing.with_clips(clips), notes


def _carve(
    clips: Sequence[Clip], protocol: str, into: Split, config: ManifestOptions
) -> tuple[list[Clip], str]:
    values = config.val_groups if into == Split.VAL else ()
    by = config.val_by
    if by == "auto":
        by = "subject" if values else group_by(clips)
    carved, groups = carve_part(
        clips,
        protocol,
        into=into,
        by=by,
        fraction=config.val_fraction if into == Split.VAL else config.test_fraction,
        values=values,
        seed=config.seed,
    )
    who = ("video" if by == "clip" else by) + "s" * (len(groups) > 1)
    named = f": {', '.join(groups)}" if by != "clip" and len(groups) <= _NAMED else ""
    return carved, f"  {protocol}: {into.name.lower()} took {len(groups)} {who} out of train{named}"


def _summary(listing: Listing, out: Path) -> list[str]:
    manifest = listing.manifest
    classes = len({clip.label for clip in manifest.clips if clip.label >= 0})
    of = f" of {len(manifest.class_names)}" if classes < len(manifest.class_names) else ""
    lines = [f"{out}: {len(manifest.clips)} clips, {f'{classes}{of} classes' if classes else 'no classes'}"]
    for protocol in manifest.protocols:
        splits = Counter(clip.splits[protocol] for clip in manifest.clips)
        sizes = [f"{splits[split]} {split.name.lower()}" for split in (Split.TRAIN, Split.VAL, Split.TEST)]
        none = f", {splits[Split.NONE]} in no split" if splits[Split.NONE] else ""
        lines.append(f"  {protocol}: {', '.join(sizes)}{none}")
    for reason, count in listing.reasons():
        lines.append(f"  left out {count}: {reason}")
    if listing.left_out:
        lines.append(f"  each file that was left out is in {left_out_path(out)}")
    return lines


def _write_left_out(listing: Listing, path: Path) -> None:
    path.unlink(missing_ok=True)  # of an older manifest
    if not listing.left_out:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "reason"])
        writer.writerows((each.path, each.reason) for each in listing.left_out)
