"""Diving48 (Li et al., ECCV 2018), in version 2 of its annotations.

Source: http://www.svcl.ucsd.edu/projects/resound/dataset.html: Diving48_V2_train.json and
Diving48_V2_test.json, lists of {"vid_name", "label", "start_frame", "end_frame"}; Diving48_vocab.json, for
each class its take-off, somersaults, twists and position.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.listing import Listing, VideoFolder, read_json
from heatpool.extract.datasets.samples import Sample, add_sample, list_samples
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["list_diving48"]

_FILES = {"Diving48_V2_train.json": Split.TRAIN, "Diving48_V2_test.json": Split.TEST}
_VOCABULARY = "Diving48_vocab.json"


def list_diving48(folder: VideoFolder) -> Listing:
    """List Diving48 by its files of version 2, which stand in the folder `folder.annotations`.

    Raises:
        HeatpoolError: if there are no annotations, or they are not as published.
    """
    source = folder.annotations
    if source is None or not source.is_dir():
        raise HeatpoolError(
            f"expected --annotations, a folder with {', '.join(_FILES)}, {_VOCABULARY}, got {source}"
        )
    vocabulary = read_json(source / _VOCABULARY)
    try:
        names = [" ".join(words) for words in vocabulary]
    except TypeError as error:
        raise HeatpoolError(f"expected a list of lists of words in {_VOCABULARY}") from error
    samples: dict[str, Sample] = {}
    for name, split in _FILES.items():
        for number, entry in enumerate(_entries(source / name), start=1):
            where = f"entry {number} of {name}"
            try:
                video, label = str(entry["vid_name"]), entry["label"]
            except (KeyError, TypeError) as error:
                raise HeatpoolError(f"expected vid_name and label in {where}") from error
            if type(label) is not int or not 0 <= label < len(names):
                raise HeatpoolError(f"expected a label below {len(names)}, got {label!r} in {where}")
            add_sample(samples, video, Sample(label, {SPLIT: split}, where))
    return list_samples(folder, samples, names, [SPLIT])


def _entries(path: Path) -> list[Any]:
    entries = read_json(path)
    if not isinstance(entries, list):
        raise HeatpoolError(f"expected a list in {path.name}, got {type(entries).__name__}")
    return entries
