"""SLEAP's projects and predictions (`.slp`, `.pkg.slp`) and its analysis files (`.h5`).

Layout: https://io.sleap.ai/latest/formats/. Read by h5py alone: sleap-io brings 28 packages, and has to make
an object of each person to tell which predictions a user has corrected. Coordinates count from the middle of
the first pixel.
"""

from __future__ import annotations

from pathlib import Path

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.plain_hdf5 import open_hdf5
from heatpool.pool.exchange.keypoints.pose_folder import open_folder
from heatpool.pool.exchange.keypoints.records import PoseFile
from heatpool.pool.exchange.keypoints.sleap_analysis import SleapAnalysis
from heatpool.pool.exchange.keypoints.sleap_labels import SleapLabels

__all__ = ["read_sleap"]


def read_sleap(path: Path) -> PoseFile:
    """Open a project, predictions or an analysis file of SLEAP, or a folder of them.

    What a user has labelled stands for the prediction that it corrects. Of several skeletons that one is
    taken which most persons have.

    Raises:
        HeatpoolError: if it is no such file.
    """
    if path.is_dir():
        return open_folder(path, ("*.slp", "*.h5", "*.hdf5"), read_sleap)
    with open_hdf5(path) as file:
        held = set(file)
    if {"frames", "instances", "metadata"} <= held:
        return SleapLabels(path)
    if {"tracks", "node_names"} <= held:
        return SleapAnalysis(path)
    raise HeatpoolError(
        f"{path}: expected a file of SLEAP, got HDF5 with {', '.join(sorted(held))[:80] or 'nothing'}"
    )
