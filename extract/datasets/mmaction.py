"""Lists as MMAction2 and other trainers read them: `video label` a line, or `folder frames label`.

Source: VideoDataset and RawframeDataset of https://github.com/open-mmlab/mmaction2; SlowFast and VideoMAE put
a comma or a space between, in files called `.csv`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from heatpool.extract.datasets.clips import without_suffix
from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.listing import Listing, VideoFolder, annotation_files, numbered_lines
from heatpool.extract.datasets.splits import SPLIT_WORDS, split_meanings
from heatpool.extract.datasets.table import ClipRow, list_rows
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["list_mmaction"]

_log = logging.getLogger(__name__)

_NUMBERS = re.compile(r"(?P<path>\S.*?)(?P<numbers>(?:[\s,]+-?\d+)+)")
_NAMED = re.compile(r"(?P<path>\S.*?\.\w+)\"?(?:\s+|\s*,\s*)(?P<label>\S.*)")
_HEADER = re.compile(r"\w*(?:path|file|video|name)\w*[\s,]+(?:label|class)\w*", re.IGNORECASE)
_SPLIT_NUMBER = re.compile(r"split_?(\d+)")
_WORD = re.compile(r"[a-z]+")


def list_mmaction(folder: VideoFolder) -> Listing:
    """List the videos of one or more lists, whose names say the splits: `ucf101_val_split_1_videos.txt`.

    A label may be a name, which has spaces only behind the suffix of a video; `folder.classes` names numbers.

    Raises:
        HeatpoolError: if a line is not as expected, or has several labels; naming it.
    """
    files = annotation_files(folder.annotations, ".txt", ".csv")
    meanings = split_meanings({word for path in files for word in _split_words(path)})
    splits = {path: _split_of(path, meanings) for path in files}
    if len(files) > 1 and None in splits.values():
        unknown = next(path.name for path, split in splits.items() if split is None)
        raise HeatpoolError(
            f"expected train, val or test in the name of each list, got {unknown}; move what is no list "
            "elsewhere (classes: --class-names)"
        )
    protocols = sorted({split[0] for split in splits.values() if split})
    rows: dict[str, ClipRow] = {}
    other = 0
    for path, split in splits.items():
        for line, text in numbered_lines(path):
            where = f"line {line} of {path.name}"
            if line == 1 and _HEADER.fullmatch(text):
                continue
            video, label, frames = _parse(text, where)
            other += frames not in (None, folder.pictures.get(video, frames))
            known = rows.get(video)
            if known and known.values["label"] != label:
                raise HeatpoolError(
                    f"expected one label of {video}, got {label} in {where}, {known.where} has another"
                )
            before = dict(known.splits) if known else dict.fromkeys(protocols, Split.NONE)
            if known and split and before[split[0]] not in (Split.NONE, split[1]):
                raise HeatpoolError(
                    f"expected one split of {video}, got {split[1].name.lower()} in {where}, and "
                    f"{before[split[0]].name.lower()} in {known.where}"
                )
            own = {split[0]: split[1]} if split else {}
            rows[video] = ClipRow(where, {"path": video, "label": label}, before | own)
    if other:
        _log.warning("in %d of the folders are not as many pictures as their list says", other)
    source = files[0].name if len(files) == 1 else str(folder.annotations)
    return list_rows(folder, list(rows.values()), source)


def _split_words(path: Path) -> list[str]:
    return [word for word in _WORD.findall(path.stem.casefold()) if word in SPLIT_WORDS]


def _split_of(path: Path, meanings: Mapping[str, Split]) -> tuple[str, Split] | None:
    """Return protocol and split that the name of a list says."""
    words = [meanings[word] for word in _split_words(path) if word in meanings]
    number = _SPLIT_NUMBER.search(path.stem.casefold())
    return (f"{SPLIT}{number[1] if number else ''}", words[0]) if words else None


def _parse(text: str, where: str) -> tuple[str, str, int | None]:
    """Return path, label and number of pictures (None for a video) of a line."""
    match, named = _NUMBERS.fullmatch(text), _NAMED.fullmatch(text)
    if match is None or (named and _is_video(named["path"]) and not _is_video(match["path"].strip('"'))):
        return *_parse_named(text, where), None
    path, numbers = match["path"].strip('"'), re.findall(r"-?\d+", match["numbers"])
    if len(numbers) == 1:
        return path, numbers[0], None
    if len(numbers) == 2 and not _is_video(path):
        return path, numbers[1], int(numbers[0])
    raise HeatpoolError(
        f"expected 'path label' or 'folder frames label', got {len(numbers)} numbers in {where}: a clip has "
        "one class, and no offset"
    )


def _parse_named(text: str, where: str) -> tuple[str, str]:
    """Return path and label of a line whose label is a name."""
    match = _NAMED.fullmatch(text)
    if match and _is_video(match["path"]):
        return match["path"].strip('"'), match["label"].strip('"')
    path, _, label = text.rpartition(" ")
    if not path:
        raise HeatpoolError(f"expected 'path label', got {text!r} in {where}")
    return path.rstrip(), label


def _is_video(path: str) -> bool:
    return without_suffix(path) != path
