"""FineGym's elements (Shao et al., CVPR 2020): Gym99 and Gym288, versions 1.0 and 1.1.

Source: https://sdolivia.github.io/FineGym: `gym99_train_element_v1.1.txt` and `gym99_val_element.txt`,
lines `VIDEO_E_START_END_A_START_END LABEL`; `gym99_categories.txt`, lines
`Clabel: 0; set: 1; Glabel: 1; (VT) name`.
Clips are cut out as files of these names; MMAction2 calls the lists `gym99_train_org.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.listing import Listing, VideoFolder, annotation_files, numbered_lines
from heatpool.extract.datasets.samples import Sample, add_sample, list_samples
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["finegym"]

_CATEGORY = re.compile(r"Clabel:\s*(\d+)\s*;.*?(\([A-Z]+\)\s*\S.*)")


def finegym(name: str) -> Callable[[VideoFolder], Listing]:
    """Return the reader of `gym99` or `gym288`.

    Its val part, on which every paper reports, is the test split: val comes out of train.
    """
    lists = re.compile(rf"{name}_(train|val)_(?:element(?:_v[\d.]+)?|org)\.txt")

    def list_finegym(folder: VideoFolder) -> Listing:
        """List the elements.

        Raises:
            HeatpoolError: if there are no annotations, or a line is not as published.
        """
        files = annotation_files(folder.annotations, ".txt")
        class_names = _categories(files, name)
        samples: dict[str, Sample] = {}
        for path in files:
            if match := lists.fullmatch(path.name):
                split = Split.TRAIN if match[1] == "train" else Split.TEST
                _add_samples(samples, path, split, len(class_names))
        if not samples:
            raise HeatpoolError(
                f"expected {name}_train_element_v1.1.txt and {name}_val_element.txt in {folder.annotations}, "
                "got neither"
            )
        return list_samples(folder, samples, class_names, [SPLIT])

    return list_finegym


def _categories(files: list[Path], name: str) -> list[str]:
    path = next((path for path in files if path.name == f"{name}_categories.txt"), None)
    if path is None:
        raise HeatpoolError(f"expected {name}_categories.txt in --annotations, got none")
    class_names: list[str] = []
    for line, text in numbered_lines(path):
        match = _CATEGORY.fullmatch(text)
        if match is None or int(match[1]) != len(class_names):
            raise HeatpoolError(
                f"expected 'Clabel: {len(class_names)}; …; (VT) name', got {text!r} in line {line} of "
                f"{path.name}"
            )
        class_names.append(match[2])
    return class_names


def _add_samples(samples: dict[str, Sample], path: Path, split: Split, classes: int) -> None:
    for line, text in numbered_lines(path):
        where = f"line {line} of {path.name}"
        element, _, label = text.rpartition(" ")
        if not element or not label.isdecimal() or int(label) >= classes:
            raise HeatpoolError(f"expected an element and a label below {classes}, got {text!r} in {where}")
        add_sample(samples, element, Sample(int(label), {SPLIT: split}, where))
