"""What `heatpool fuse` and `heatpool compare` read: score files of any origin, and the labels they lack."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heatpool.classify.scores.foreign import RawScores, read_pickled_scores, read_score_parts
from heatpool.classify.scores.scores import ClipScores, load_scores
from heatpool.pipelines.runs.run_dir import read_summary, score_folders
from heatpool.pool.disk.class_names import read_class_names
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.selection import SplitName

if TYPE_CHECKING:
    from heatpool.extract.datasets.spec import DatasetSpec

__all__ = ["Labelling", "find_labelling", "label_scores", "read_folder_scores", "read_source"]

_SKELETON = ".skeleton"  # of the files of NTU, by which ST-GCN and its kin call clips


def read_source(location: str, *, split: SplitName = "test") -> ClipScores | RawScores:
    """Read scores from a run folder, an .npz of ours, a pickled dict, or .npy parts (a pattern is expanded).

    Raises:
        HeatpoolError: if there is nothing, or it is damaged or of another kind.
    """
    path = Path(location)
    if path.is_dir():
        folder, *others = score_folders(path)
        if others:
            raise HeatpoolError(f"{path} holds a run for each seed: name one of them, such as {folder}")
        return read_folder_scores(folder, split)
    if path.suffix == ".npz":
        return load_scores(path)
    if path.suffix in (".pkl", ".pickle"):
        return read_pickled_scores(path)
    paths = [path] if path.is_file() else [Path(name) for name in sorted(glob.glob(location))]
    if not paths or any(each.suffix != ".npy" for each in paths):
        raise HeatpoolError(
            f"expected a run folder, .npz, .pkl or .npy files, got {location}"
            + ("" if paths else "; there is no such file")
        )
    return read_score_parts(paths)


def read_folder_scores(folder: Path, split: SplitName, *, stream: str = "fused") -> ClipScores:
    """Read the scores of a split that a run, one of its streams, `evaluate` or `fuse` left in a folder.

    Args:
        folder: of one seed, where there are several.
        split: train, val or test.
        stream: of a run, or "fused".

    Raises:
        HeatpoolError: if there are none; how they are made.
    """
    name = f"scores_{split}.npz"
    path = folder / ("" if stream == "fused" else stream) / name
    if path.is_file():
        return load_scores(path)
    if (folder / name).is_file():
        inside = [each.parent for each in folder.glob(f"*/{name}")]
        streams = ", ".join(sorted(each.name for each in inside if not (each / "evaluation.json").exists()))
        raise HeatpoolError(f"expected --stream of {streams or 'fused'} in {folder}, got {stream!r}")
    if not (folder / "summary.json").is_file():
        raise HeatpoolError(f"expected a run folder or another with {name}, {folder} has none")
    todo = f"heatpool evaluate {folder} --split {split}"
    if "imported" not in read_summary(folder):
        todo += " --out FOLDER, then name that folder"
    raise HeatpoolError(f"{folder} has no {split} scores yet: {todo}")


@dataclass(frozen=True, eq=False)
class Labelling:
    """Which class clips are of.

    Attributes:
        class_names: in label order.
        of_clip: class name by clip id; None for clips of `dataset`.
        dataset: whose clip names tell the class, None for clips of `of_clip`.
    """

    class_names: tuple[str, ...]
    of_clip: Mapping[str, str]
    dataset: DatasetSpec | None = None


def find_labelling(
    labels: str | None, classes: Path | None, *, sources: Sequence[ClipScores | RawScores]
) -> Labelling | None:
    """Find labels for score files that have none.

    Args:
        labels: data set, manifest, feature store or .npz of ours; None takes those of the first source
            with labels.
        classes: file of class names in label order, None for the labels' own order.
        sources: what was read; their number of classes picks the protocol's classes of a data set.

    Returns:
        None where nobody knows.

    Raises:
        HeatpoolError: if the labels cannot be read.
    """
    count = next((each.values.shape[1] for each in sources if isinstance(each, RawScores)), 0)
    own = next((each for each in sources if isinstance(each, ClipScores)), None)
    spec = _find_dataset(labels)
    names = read_class_names(classes).names if classes else None
    if spec is not None:
        return Labelling(names or _protocol_classes(spec, count), {}, spec)
    if labels is not None:
        ids, label, own_names = _read_labels(labels)
    elif own is not None:
        ids, label, own_names = own.clip_ids, own.labels, own.class_names
    else:
        return Labelling(names, {}) if names else None
    known = {name: own_names[at] for name, at in zip(ids, label.tolist(), strict=True) if at >= 0}
    return Labelling(names or own_names, known)


def _find_dataset(name: str | None) -> DatasetSpec | None:
    """The data set of a name; records of data sets are of stage one, and loaded only when one is named."""
    if name is None:
        return None
    from heatpool.extract.datasets import SPECS

    return next((made for made in (maker() for maker in SPECS) if made.name == name), None)


def _read_labels(labels: str) -> tuple[Sequence[str], np.ndarray, tuple[str, ...]]:
    """Clip ids, label numbers and class names of a manifest, an .npz or a store."""
    if labels.endswith(".npz"):
        scores = load_scores(Path(labels))
        return scores.clip_ids, scores.labels, scores.class_names
    if labels.lower().endswith((".csv", ".tsv")):
        from heatpool.extract.datasets.manifest import read_manifest

        index = read_manifest(Path(labels)).index()
        return index.clip_id, index.label, index.class_names
    store = FeatureStore.open(labels)
    return store.clips.clip_ids(np.arange(len(store))), store.clips.label, store.clips.class_names


def _protocol_classes(spec: DatasetSpec, count: int) -> tuple[str, ...]:
    """Class names in label order: all of the data set, or those of the protocol that has so many."""
    every = tuple(spec.classes.values())
    choices = {every} | {
        tuple(name for name in every if name in rule.classes) for rule in spec.splits.values() if rule.classes
    }
    fitting = [names for names in choices if len(names) == count]
    if len(fitting) != 1:
        sizes = " or ".join(str(len(names)) for names in sorted(choices, key=len))
        raise HeatpoolError(
            f"expected scores of {sizes} classes for --labels {spec.name}, got {count}; "
            "name the classes by --classes"
        )
    return fitting[0]


def label_scores(source: ClipScores | RawScores, labelling: Labelling | None, *, name: str) -> ClipScores:
    """Give scores without labels theirs; scores of ours stay as they are.

    A video's suffix is no part of a clip's id, so `x.mp4` in a published file is clip `x` of a store.

    Raises:
        HeatpoolError: if the number of classes differs or a clip has no label; `name` says of what.
    """
    if isinstance(source, ClipScores):
        return source
    count = source.values.shape[1]
    ids = [_without_suffix(clip_id) for clip_id in source.clip_ids]
    class_names = tuple(f"class {number}" for number in range(count))
    labels = np.full(len(ids), -1, np.int64)
    if labelling is not None:
        class_names = labelling.class_names
        if len(class_names) != count:
            raise HeatpoolError(f"{name}: expected scores of {len(class_names)} classes, got {count}")
        if labelling.dataset is not None or labelling.of_clip:
            ids, labels = _labels_of(ids, labelling, name)
    try:
        return ClipScores(tuple(ids), source.values, labels, class_names, source.kind)
    except ValueError as error:
        raise HeatpoolError(f"{name}: {error}") from error


def _labels_of(ids: Sequence[str], labelling: Labelling, name: str) -> tuple[list[str], np.ndarray]:
    """Ids as labels know them, and the labels."""
    number = {each: at for at, each in enumerate(labelling.class_names)}
    known_ids, labels = [], []
    for clip_id in ids:
        class_name = labelling.of_clip.get(clip_id)
        if labelling.dataset is not None and (fields := labelling.dataset.fields(clip_id)):
            found = labelling.dataset.label(fields)
            clip_id, class_name = labelling.dataset.clip_id.format(**fields), found[1] if found else None
        if class_name not in number:
            such = next(iter(labelling.of_clip), "")
            known = f"none; labels are of clips such as {shorten(such)}" if such else "none"
            raise HeatpoolError(
                f"{name}: expected a label for every clip, {clip_id!r} has "
                + (known if class_name is None else f"class {class_name!r}, which is not scored")
            )
        known_ids.append(clip_id)
        labels.append(number[class_name])
    return known_ids, np.array(labels, np.int64)


def _without_suffix(clip_id: str) -> str:
    from heatpool.extract.datasets.clips import without_suffix  # only files of others have suffixes

    return without_suffix(clip_id.removesuffix(_SKELETON))
