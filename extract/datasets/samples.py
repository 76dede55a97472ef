"""Data sets whose annotations name each video, and its class and splits, by the name of its file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from heatpool.extract.datasets.clips import unique_ids, without_suffix
from heatpool.extract.datasets.listing import NO_SUCH_VIDEO, Excluded, Listing, VideoFolder
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["Sample", "add_sample", "list_samples"]

_UNNAMED = "the annotations do not name it"


@dataclass(frozen=True)
class Sample:
    """What annotations say of a video.

    Attributes:
        label: class number, -1 where it is kept secret.
        splits: protocol name to split; protocols that are left out do not have it.
        where: place in the annotations, for messages.
    """

    label: int
    splits: Mapping[str, Split] = field(default_factory=dict)
    where: str = ""


def add_sample(samples: dict[str, Sample], name: str, sample: Sample) -> None:
    """Add what a line says of a video.

    Raises:
        HeatpoolError: if another line says another class or split.
    """
    known = samples.get(name, sample)
    for protocol, split in sample.splits.items():
        before = known.splits.get(protocol, split)
        if before != split:
            both = f"{before.name.lower()} in {known.where} and {split.name.lower()} in {sample.where}"
            raise HeatpoolError(f"expected one split of {name}, got {both}")
    if known.label != sample.label:
        both = f"{known.label} in {known.where} and {sample.label} in {sample.where}"
        raise HeatpoolError(f"expected one class of {name}, got {both}")
    samples[name] = replace(known, splits={**known.splits, **sample.splits})


def list_samples(
    folder: VideoFolder, samples: Mapping[str, Sample], class_names: Sequence[str], protocols: Sequence[str]
) -> Listing:
    """List the videos that annotations name, wherever they lie below the folder.

    Args:
        folder: of the videos.
        samples: name of a video, without suffix, to what is known of it.
        class_names: in label order.
        protocols: names of all protocols.

    Raises:
        HeatpoolError: if no video is one of them.
    """
    paths, names, unnamed = [], [], []
    for path in folder.videos:
        name = without_suffix(os.path.basename(path))
        if name in samples:
            paths.append(path)
            names.append(name)
        else:
            unnamed.append(Excluded(path, _UNNAMED))
    if not paths:
        raise HeatpoolError(
            f"expected videos below {folder.path} that {folder.annotations} names, such as "
            f"{next(iter(samples), 'none')}, got none of {len(samples)}"
        )
    clips = []
    for clip_id, name, path in zip(unique_ids(names, paths), names, paths, strict=True):
        sample = samples[name]
        clips.append(
            replace(
                folder.clip(clip_id, path),
                label=sample.label,
                class_name=class_names[sample.label] if sample.label >= 0 else "",
                splits={protocol: sample.splits.get(protocol, Split.NONE) for protocol in protocols},
            )
        )
    manifest = Manifest(tuple(clips), tuple(class_names), folder.path)
    listing = Listing(manifest, (*folder.excluded, *unnamed))
    return listing.excluding(sorted(samples.keys() - set(names)), NO_SUCH_VIDEO)
