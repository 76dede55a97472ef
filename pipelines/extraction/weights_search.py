"""Where weights are looked for on this machine."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from heatpool.extract.networks.weight_sources import SHIPPED_FOLDER, WeightSource, known_weights
from heatpool.pool.disk.files import cache_folder

__all__ = ["FOLDER_VARIABLE", "HUB_FILES", "WeightsSearchPath", "recorded_weights"]

FOLDER_VARIABLE = "HEATPOOL_WEIGHTS"
"""Environment variable that names a folder of weights: searched first, and where fetched files go."""

HUB_FILES = ("config.json", "model.safetensors")
"""What a model of the Hugging Face hub needs."""


@dataclass(frozen=True)
class WeightsSearchPath:
    """Places where weights may lie.

    Attributes:
        folders: searched in order; the first one takes what is fetched.
        hub_cache: cache of the Hugging Face hub, which takes its own models; None where there is none.
    """

    folders: tuple[Path, ...]
    hub_cache: Path | None = None

    @property
    def fetch_folder(self) -> Path:
        """Where fetched files go."""
        return self.folders[0].resolve()

    @classmethod
    def of_machine(cls) -> WeightsSearchPath:
        """Return the folder of `HEATPOOL_WEIGHTS`, our cache, the current folder, ultralytics', the hub's."""
        own = os.environ.get(FOLDER_VARIABLE)
        folders = (cache_folder() / "weights", Path(), _ultralytics_folder())
        return cls((*((Path(own),) if own else ()), *folders), _hub_cache())

    def find(self, name: str) -> Path | None:
        """Return where a file, or a hub model `owner/model`, lies; None when it is not available locally.

        A hub model is a folder called `model` in one of the places, or a snapshot in the hub's cache.
        """
        _, on_hub, model = name.rpartition("/")
        for folder in self.folders:
            place = folder / model
            if all((place / file).is_file() for file in HUB_FILES) if on_hub else place.is_file():
                return place
        return self._snapshot(name) if on_hub else None

    def find_source(self, source: WeightSource) -> Path | None:
        """Return where official weights lie; those that are shipped lie in the package."""
        return SHIPPED_FOLDER / source.name if source.backend == "tiny" else self.find(source.name)

    def describe(self) -> str:
        """Return the places in words."""
        return ", ".join(
            dict.fromkeys(str(place.resolve()) for place in (*self.folders, self.hub_cache) if place)
        )

    def _snapshot(self, model: str) -> Path | None:
        if self.hub_cache is None:
            return None
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            found = [try_to_load_from_cache(model, file, cache_dir=self.hub_cache) for file in HUB_FILES]
        except HFValidationError:
            return None  # a path with several folders, not the name of a model
        config = found[0]
        return Path(config).parent if isinstance(config, str) and isinstance(found[1], str) else None


def recorded_weights(weights: str | None) -> str | None:
    """Return weights as a store recorded them; where they are gone, an official file by its name alone.

    So it is looked up, or fetched, on another machine; whether it is the same is for its digest to say.
    """
    if weights is None or Path(weights).exists() or known_weights(Path(weights).name) is None:
        return weights
    return Path(weights).name


def _ultralytics_folder() -> Path:
    """Return `weights_dir` of ultralytics' settings, read from their file: the library loads torch."""
    given = os.environ.get("YOLO_CONFIG_DIR")
    if given:
        place = Path(given).expanduser()
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        place = Path.home() / "AppData" / "Roaming"
    else:
        place = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    try:
        settings = json.loads((place / "Ultralytics" / "settings.json").read_text(encoding="utf-8"))
        return Path(settings["weights_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return Path("weights")  # as ultralytics sets it when it is first used


def _hub_cache() -> Path | None:
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)
