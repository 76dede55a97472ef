"""Data sets as data: one record (or reader) each, all of them named in `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heatpool.extract.datasets.boris import list_boris
from heatpool.extract.datasets.diving48 import list_diving48
from heatpool.extract.datasets.elan import list_elan
from heatpool.extract.datasets.finegym import finegym
from heatpool.extract.datasets.folder import list_folder
from heatpool.extract.datasets.hmdb51 import list_hmdb51
from heatpool.extract.datasets.intervals import list_interval_table
from heatpool.extract.datasets.kinetics import list_kinetics
from heatpool.extract.datasets.listing import Listing, VideoFolder
from heatpool.extract.datasets.mmaction import list_mmaction
from heatpool.extract.datasets.names import list_named
from heatpool.extract.datasets.ntu import ntu60, ntu120
from heatpool.extract.datasets.nw_ucla import nw_ucla
from heatpool.extract.datasets.smarthome import smarthome
from heatpool.extract.datasets.something import list_something
from heatpool.extract.datasets.spec import DatasetSpec
from heatpool.extract.datasets.table import list_table
from heatpool.extract.datasets.uav_human import uav_human
from heatpool.extract.datasets.ucf101 import list_ucf101, ucf101

__all__ = ["DATASETS", "SPECS"]

SPECS: tuple[Callable[[], DatasetSpec], ...] = (ntu60, ntu120, smarthome, uav_human, nw_ucla, ucf101)
"""Makers of the records of data sets whose file names say what a clip is."""


def _named(spec: Callable[[], DatasetSpec]) -> Callable[[VideoFolder], Listing]:
    return lambda folder: list_named(spec(), folder)


DATASETS: Mapping[str, Callable[[VideoFolder], Listing]] = {
    "ntu60": _named(ntu60),
    "ntu120": _named(ntu120),
    "smarthome": _named(smarthome),
    "uav-human": _named(uav_human),
    "nw-ucla": _named(nw_ucla),
    "ucf101": list_ucf101,
    "hmdb51": list_hmdb51,
    "diving48": list_diving48,
    "gym99": finegym("gym99"),
    "gym288": finegym("gym288"),
    "kinetics400": list_kinetics,
    "ssv2": list_something,
    "folder": list_folder,
    "csv": list_table,
    "list": list_mmaction,
    "intervals": list_interval_table,
    "elan": list_elan,
    "boris": list_boris,
}
"""What `heatpool manifest --dataset` knows."""
