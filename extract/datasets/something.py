"""Something-Something v2 (Goyal et al., ICCV 2017).

Source: labels.zip of https://developer.qualcomm.com/software/ai-datasets/something-something: labels.json
maps `Holding something next to something` to "40"; train.json and validation.json list {"id", "template"}
with `Holding [something] next to [something]`; test.json lists {"id"} alone. Older downloads put
`something-something-v2-` before the names. 168,913 videos train, 24,777 validate, 27,157 test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.listing import Listing, VideoFolder, read_json
from heatpool.extract.datasets.samples import Sample, add_sample, list_samples
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["list_something"]

_PREFIX = "something-something-v2-"
_SPLITS = {"train": Split.TRAIN, "validation": Split.VAL, "test": Split.TEST}


def list_something(folder: VideoFolder) -> Listing:
    """List Something-Something v2; the videos of its test split have no label.

    Raises:
        HeatpoolError: if there are no annotations, or they are not as published.
    """
    source = folder.annotations
    if source is None or not source.is_dir():
        raise HeatpoolError(f"expected --annotations, the folder of labels.json and train.json, got {source}")
    labels = _labels(source)
    label_of = {name: label for label, name in enumerate(labels)}
    samples: dict[str, Sample] = {}
    for part, split in _SPLITS.items():
        path = _find(source, part)
        if path is None and split == Split.TEST:
            continue
        for number, entry in enumerate(_entries(path, source, part), start=1):
            where = f"entry {number} of {part}.json"
            if not isinstance(entry, dict) or "id" not in entry:
                raise HeatpoolError(f"expected an id in {where}")
            template = str(entry.get("template", "")).replace("[", "").replace("]", "")
            if split != Split.TEST and template not in label_of:
                raise HeatpoolError(f"expected a template of labels.json, got {template!r} in {where}")
            add_sample(samples, str(entry["id"]), Sample(label_of.get(template, -1), {SPLIT: split}, where))
    return list_samples(folder, samples, labels, [SPLIT])


def _labels(source: Path) -> list[str]:
    numbered = _entries(_find(source, "labels"), source, "labels", kind=dict)
    names = sorted(numbered, key=lambda name: int(numbered[name])) if _are_numbers(numbered) else []
    if [int(numbered[name]) for name in names] != list(range(len(numbered))):
        raise HeatpoolError("expected class names numbered from 0 in labels.json, some are not")
    return names


def _are_numbers(numbered: dict[str, Any]) -> bool:
    return all(str(number).isdecimal() for number in numbered.values())


def _find(source: Path, part: str) -> Path | None:
    paths = (source / f"{part}.json", source / f"{_PREFIX}{part}.json")
    return next((path for path in paths if path.is_file()), None)


def _entries(path: Path | None, source: Path, part: str, *, kind: type = list) -> Any:
    if path is None:
        raise HeatpoolError(f"expected {part}.json in {source}, got none")
    entries = read_json(path)
    if not isinstance(entries, kind):
        raise HeatpoolError(f"expected a {kind.__name__} in {path.name}, got {type(entries).__name__}")
    return entries
