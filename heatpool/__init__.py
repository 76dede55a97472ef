"""Actions from pooled heatmap features: extract features of videos once, train classifiers on them often.

    open(location)              a feature store: a folder, an archive (.hpz) or an address
    extract(videos, out)        stage one: videos -> feature store
    train(features, out)        stage two: feature store -> trained run with figures and a report
    load_run(path)              a trained run: .predict(videos), .evaluate(split="test")
    pack(store, out)            a store as one file, to hand on

They return records, print nothing, and raise `HeatpoolError` with a line that says what to do. Their options
are those of the command line (`heatpool train --help`), which is built on the same functions.

Examples:
    >>> import heatpool
    >>> made = heatpool.extract("clips.csv", "features.zarr")
    >>> store = heatpool.open("features.zarr")
    >>> run = heatpool.train("features.zarr", "work_dirs/first", model="linear")
    >>> run.figures["fused"].top1
    >>> for prediction in run.predict("new_videos"):
    ...     print(prediction.path, prediction.labels[0], prediction.probabilities[0])

`ClipDataset` is a torch Dataset over a store, `FeatureStore` what `open` returns.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heatpool.classify.data.dataset import ClipDataset as ClipDataset
    from heatpool.pipelines.extraction.run import extract as extract
    from heatpool.pipelines.training.run import train as train
    from heatpool.pipelines.training.trained_run import load_run as load_run
    from heatpool.pool.archive.pack import pack as pack
    from heatpool.pool.errors import HeatpoolError as HeatpoolError
    from heatpool.pool.store.reader import FeatureStore as FeatureStore

    open = FeatureStore.open
    __version__: str

__all__ = [
    "ClipDataset",
    "FeatureStore",
    "HeatpoolError",
    "__version__",
    "extract",
    "load_run",
    "open",
    "pack",
    "train",
]

_HOMES = {
    "ClipDataset": "heatpool.classify.data.dataset",
    "FeatureStore": "heatpool.pool.store.reader",
    "HeatpoolError": "heatpool.pool.errors",
    "load_run": "heatpool.pipelines.training.trained_run",
    "pack": "heatpool.pool.archive.pack",
    "train": "heatpool.pipelines.training.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import heatpool` itself must cost nothing."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name == "open":
        value = import_module("heatpool.pool.store.reader").FeatureStore.open
    elif name == "extract":
        value = import_module("heatpool.extract")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("heatpool")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _CallablePackage(ModuleType):
    """`heatpool.extract`: the package of that name, and the function of the face."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function(*arguments, **options)

    @property
    def _function(self) -> Any:
        return import_module("heatpool.pipelines.extraction.run").extract

    @property
    def __signature__(self) -> Any:  # what Tab shows
        from inspect import signature

        return signature(self._function)

    @property
    def __doc__(self) -> str:  # type: ignore[override]  # what help() and ? show
        of_package = self.__dict__["__doc__"]
        return f"{of_package}\n\nCalled, it is the function of stage one.\n\n{self._function.__doc__}"


class _Face(ModuleType):
    """This module: importing `heatpool.extract.…` sets the package here, where users expect the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "extract" and isinstance(value, ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face

# What the package logs goes where the user's program sends it, else nowhere.
logging.getLogger(__name__).addHandler(logging.NullHandler())
