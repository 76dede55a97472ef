"""HMDB51 (Kuehne et al., ICCV 2011).

Source: the readme of its splits (testTrainMulti_7030_splits): 153 files `ACTION_test_split[1-3].txt`, lines
`VIDEO ID`; of each class and split 70 videos train (id 1), 30 test (id 2), the others (id 0) do neither.
"""

from __future__ import annotations

import re

from heatpool.extract.datasets.listing import Listing, VideoFolder, annotation_files, numbered_lines
from heatpool.extract.datasets.samples import Sample, list_samples
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["list_hmdb51"]

_FILE = re.compile(r"(\w+)_test_split([1-3])\.txt")
_SPLITS = {"0": Split.NONE, "1": Split.TRAIN, "2": Split.TEST}


def list_hmdb51(folder: VideoFolder) -> Listing:
    """List HMDB51 by the files of its splits; labels are the actions in alphabetical order.

    Raises:
        HeatpoolError: if there are none of these files, or a line is not as expected.
    """
    found: dict[str, tuple[str, dict[str, Split]]] = {}
    protocols = set()
    for path in annotation_files(folder.annotations, ".txt"):
        if not (match := _FILE.fullmatch(path.name)):
            continue
        action, protocol = match[1], f"split{match[2]}"
        protocols.add(protocol)
        for line, text in numbered_lines(path):
            name, _, number = text.rpartition(" ")
            if number not in _SPLITS or not name:
                raise HeatpoolError(
                    f"expected a video and 0, 1 or 2, got {text!r} in line {line} of {path.name}"
                )
            found.setdefault(name.strip().removesuffix(".avi"), (action, {}))[1][protocol] = _SPLITS[number]
    if not found:
        raise HeatpoolError(
            f"expected brush_hair_test_split1.txt, … in {folder.annotations}, got none of them"
        )
    actions = sorted({action for action, _ in found.values()})
    label = {action: at for at, action in enumerate(actions)}
    samples = {name: Sample(label[action], splits) for name, (action, splits) in found.items()}
    return list_samples(folder, samples, actions, sorted(protocols))
