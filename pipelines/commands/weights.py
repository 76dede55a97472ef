"""`heatpool weights …`: the official weights, where they come from, and whether those at hand are intact."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import singledispatch
from pathlib import Path
from typing import Any

from heatpool.extract.networks.weight_sources import WEIGHTS, WeightSource, known_weights
from heatpool.pipelines.extraction.weights_search import FOLDER_VARIABLE, WeightsSearchPath
from heatpool.pipelines.options import (
    WeightsFetchOptions,
    WeightsImportOptions,
    WeightsListOptions,
    WeightsVerifyOptions,
)
from heatpool.pool.disk.files import hash_file
from heatpool.pool.disk.text_files import require_regular
from heatpool.pool.errors import HeatpoolError

__all__ = ["run"]


@singledispatch
def run(options: Any) -> int:
    """Do what options of this group ask; return the exit code.

    Raises:
        HeatpoolError: if there is no such file, or it cannot be fetched.
    """
    raise TypeError(f"expected options of a weights command, got {type(options).__name__}")


@run.register(WeightsListOptions)
def _list(options: WeightsListOptions) -> int:
    path = WeightsSearchPath.of_machine()
    found = [path.find_source(source) for source in WEIGHTS]
    places = [str(place.resolve()) if place else "" for place in found]
    rows = [
        {**asdict(source), "package": str(source.package or ""), "local_path": place}
        for source, place in zip(WEIGHTS, places, strict=True)
    ]
    if options.format == "table":
        print(_table(places))
        print(
            f"\nheatpool weights fetch NAME puts one into {path.fetch_folder}; put those by hand there, too."
        )
        print(f"Looked in {path.describe()}; {FOLDER_VARIABLE} names a folder of your own.")
        print("AP in percent on COCO val2017: of keypoints, with a detector's boxes but for yolo-pose;")
        print("of boxes for detectors. onnx takes any network, so none is listed.")
        print("--format csv has addresses and digests.")
    elif options.format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        writer = csv.DictWriter(sys.stdout, [*rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return 0


def _table(places: Sequence[str]) -> str:
    header = ("backend", "weights", "AP", "MB", "licence", "local path, or where it comes from")
    rows = [header, *(_row(source, place) for source, place in zip(WEIGHTS, places, strict=True))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(source: WeightSource, place: str) -> tuple[str, ...]:
    note = f" ({source.note})" if source.note else ""
    return (
        source.backend if source.use == "pose" else "detector",
        source.name,
        f"{source.ap:.1f}" if source.ap else "-",
        f"{source.size_mb:g}" if source.size_mb else "-",
        source.licence,
        (f"local: {place}" if place else ", else ".join(source.places)) + note,
    )


@run.register(WeightsFetchOptions)
def _fetch(options: WeightsFetchOptions) -> int:
    from heatpool.pipelines.extraction.weights_fetch import fetch_weights

    place = fetch_weights(options.name, overwrite=options.overwrite, quiet=options.quiet)
    print(place.resolve())
    return 0


@run.register(WeightsImportOptions)
def _import(options: WeightsImportOptions) -> int:
    from heatpool.pipelines.training.weights_import import import_weights

    print(import_weights(options))
    return 0


@run.register(WeightsVerifyOptions)
def _verify(options: WeightsVerifyOptions) -> int:
    path = WeightsSearchPath.of_machine()
    if options.weights is None:
        places = [path.find_source(source) for source in WEIGHTS]
        good = [_is_good(place, source) for place, source in zip(places, WEIGHTS, strict=True) if place]
    else:
        good = [_is_good(*_named(options.weights, path))]
    print(f"{sum(good)} of {len(good)} good")
    return 0 if all(good) else 1


def _named(weights: str, path: WeightsSearchPath) -> tuple[Path, WeightSource | None]:
    """Return where weights lie and what is known of them: a path, or an official name."""
    given = Path(weights) if Path(weights).exists() else path.find(weights)
    if given is None:
        raise HeatpoolError(
            f"expected a file, a folder or an official name that is available locally, got {weights}; "
            f"looked in {path.describe()}"
        )
    require_regular(given)
    for source in WEIGHTS:
        place = path.find_source(source)
        if place and place.resolve() == given.resolve():
            return place, source
    return given, known_weights(given.name)


def _is_good(place: Path, source: WeightSource | None) -> bool:
    """Print what is true of one file or folder; return whether its bytes are those published, and load."""
    from heatpool.pipelines.extraction.weights_loading import load_weights

    print(f"{source.name if source else place.name}: {place.resolve()}")
    file = place / "model.safetensors" if place.is_dir() else place
    good = True
    if file.is_file():
        digest = hash_file(file)[1]
        published = source.sha256 if source else ""
        good = not published or digest == published
        verdict = "as published" if published else "no digest is known to compare with"
        print(f"  sha256 {digest}: {verdict if good else f'WRONG, published is {published}'}")
    try:
        print(f"  loads as {load_weights(place)}")
    except HeatpoolError as error:
        print(f"  DOES NOT LOAD: {' '.join(str(error).split())}")
        return False
    return good
