"""Choosing networks with nothing but one folder to look in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pipelines.options import NetworkOptions


def nobody(url: str) -> bool:
    raise AssertionError(f"asked for {url}")


def chosen(
    folder: Path, *, demo: bool = False, online: Callable[[str], bool] = nobody, **given: object
) -> tuple[NetworkOptions, tuple[str, ...]]:
    """Choose with nothing but `folder` to look in."""
    asked = NetworkOptions(**{"fetch": False, **given})  # type: ignore[arg-type]
    reasons: list[str] = []
    note = logging.Handler()
    note.emit = lambda record: reasons.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("heatpool.pipelines.extraction")
    log.addHandler(note)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        path = WeightsSearchPath((folder,))
        options = choose_networks(asked, demo=demo, device="cpu", search_path=path, online=online)
    finally:
        log.removeHandler(note)
        log.setLevel(level)
    return options, tuple(reasons)


def put(folder: Path, *names: str) -> None:
    """Put files of these names there; their content is not looked at when weights are chosen."""
    for name in names:
        (folder / name).write_bytes(b"weights")


def put_hub(folder: Path, model: str) -> None:
    (folder / model).mkdir()
    put(folder / model, "config.json", "model.safetensors")
