"""Small score files in the layouts that the authors of HP-Net publish for Toyota-Smarthome CV1."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

CLASSES = (
    "Cutbread", "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable",
    "Eat.Snack", "Enter", "Getup", "Leave", "Pour.Frombottle", "Pour.Fromcan", "Readbook", "Sitdown",
    "Takepills", "Uselaptop", "Usetablet", "Usetelephone", "Walk",
)  # fmt: skip
"""The 19 classes of the CV protocols in label order."""


def clip_names(labels: Sequence[int]) -> list[str]:
    """Names as published, which tell the class: `Walk_p07_r03_v11_c02.mp4`."""
    return [f"{CLASSES[k]}_p{3 + at % 5:02d}_r{at:02d}_v11_c02.mp4" for at, k in enumerate(labels)]


def write_parts(folder: Path, names: Sequence[str], scores: np.ndarray, *, ranks: int = 4) -> None:
    """`<rank>_best_score.npy` with `<rank>_best_name.txt`: clips in turn, as a distributed test deals them.

    The scores of an auxiliary head, `<rank>_best_j_score.npy`, are the same ones turned round.
    """
    for rank in range(ranks):
        mine = scores[rank::ranks].astype(np.float32)
        np.save(folder / f"{rank}_best_score.npy", mine)
        np.save(folder / f"{rank}_best_j_score.npy", mine[:, ::-1])
        (folder / f"{rank}_best_name.txt").write_text("".join(f"{name}\n" for name in names[rank::ranks]))


def write_pickle(path: Path, scores: Mapping[str, np.ndarray]) -> None:
    """A dict from name to scores as numpy 1 pickled it: it names `numpy.core`."""
    data = pickle.dumps({name: row.astype(np.float32) for name, row in scores.items()}, protocol=3)
    path.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
