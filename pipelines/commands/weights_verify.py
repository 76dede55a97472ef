"""`heatpool weights verify`: are these the bytes that were published, and do they load."""

from __future__ import annotations

from pathlib import Path

from heatpool.extract.networks.weight_sources import WEIGHTS, WeightSource, known_weights
from heatpool.pipelines.extraction.weights_loading import load_weights
from heatpool.pipelines.extraction.weights_path import Shelf
from heatpool.pipelines.options import WeightsVerifyOptions
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError

__all__ = ["run"]


def run(config: WeightsVerifyOptions) -> int:
    """Verify one file or all at hand; return 1 if any is not what it should be.

    Raises:
        HeatpoolError: if there is no such file.
    """
    shelf = Shelf.of_machine()
    if config.weights is None:
        places = [shelf.find_source(source) for source in WEIGHTS]
        good = [_verify(place, source) for place, source in zip(places, WEIGHTS, strict=True) if place]
    else:
        good = [_verify(*_named(config.weights, shelf))]
    print(f"{sum(good)} of {len(good)} good")
    return 0 if all(good) else 1


def _named(weights: str, shelf: Shelf) -> tuple[Path, WeightSource | None]:
    """Return where weights lie and what is known of them: a path, or an official name."""
    path = Path(weights) if Path(weights).exists() else shelf.find(weights)
    if path is None:
        raise HeatpoolError(
            f"expected a file, a folder or an official name that is at hand, got {weights}; "
            f"looked in {shelf.describe()}"
        )
    for source in WEIGHTS:
        place = shelf.find_source(source)
        if place and place.resolve() == path.resolve():
            return place, source
    return path, known_weights(path.name)


def _verify(place: Path, source: WeightSource | None) -> bool:
    """Print what is true of one file or folder; return whether it is good."""
    print(f"{source.name if source else place.name}: {place.resolve()}")
    file = place / "model.safetensors" if place.is_dir() else place
    good = True
    if file.is_file():
        digest = hash_file(file)[1]
        wanted = source.sha256 if source else ""
        good = not wanted or digest == wanted
        said = "no digest is known to compare with" if not wanted else "as published"
        print(f"  sha256 {digest}: {said if good else f'WRONG, published is {wanted}'}")
    try:
        print(f"  loads as {load_weights(place)}")
    except HeatpoolError as error:
        print(f"  DOES NOT LOAD: {' '.join(str(error).split())}")
        return False
    return good
