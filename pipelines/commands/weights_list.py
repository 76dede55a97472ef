"""`heatpool weights list`: the official weights, and which of them are at hand."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from heatpool.extract.networks.weight_sources import WEIGHTS, WeightSource
from heatpool.pipelines.extraction.weights_path import FOLDER_VARIABLE, Shelf
from heatpool.pipelines.options import WeightsListOptions

__all__ = ["run"]

_AT_HAND = "at_hand"


def run(config: WeightsListOptions) -> int:
    """Print the list."""
    shelf = Shelf.of_machine()
    found = [shelf.find_source(source) for source in WEIGHTS]
    places = [str(place.resolve()) if place else "" for place in found]
    if config.format == "table":
        print(_table(places))
        print(f"\nlooked in {shelf.describe()}; {FOLDER_VARIABLE} names a folder of your own")
        print(
            "AP in percent on COCO val2017: of keypoints, with a detector's boxes but for yolo-pose; of boxes"
        )
        print("for detectors. onnx takes any top-down heatmap or SimCC network and has no official file.")
        return 0
    rows = [{**asdict(source), _AT_HAND: place} for source, place in zip(WEIGHTS, places, strict=True)]
    if config.format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        writer = csv.DictWriter(sys.stdout, [*rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return 0


def _table(places: Sequence[str]) -> str:
    header = ("backend", "weights", "AP", "MB", "licence", "sha256", "at hand, or source")
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
        source.sha256[:12] or "-",
        (f"at hand: {place}" if place else source.url) + note,
    )
