"""Writing the report of a run as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

import jinja2

from heatpool.extract.records import PoseBackbone
from heatpool.pipelines.report.card import make_card
from heatpool.pipelines.report.commands import command_lines
from heatpool.pipelines.report.numbers import Share
from heatpool.pipelines.report.results import find_rows, make_results
from heatpool.pipelines.report.run import read_run
from heatpool.pipelines.report.samples import make_samples
from heatpool.pipelines.report.trust import make_trust
from heatpool.pipelines.training.features import clip_columns
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["write_report"]


def write_report(
    run_dir: Path,
    store: FeatureStore,
    *,
    videos_root: Path | None,
    backbone: PoseBackbone | None,
    out: Path | None = None,
    device: str = "cpu",
    commands: Sequence[str] = (),
) -> Path:
    """Write the report of a finished run.

    Videos or a network that are not there leave pictures out, and the page says so.

    Args:
        run_dir: run folder of `heatpool train`.
        store: the features it was trained on.
        videos_root: folder that the store's video paths are relative to; None leaves frames out.
        backbone: the pose network of the store, for heatmaps; None leaves them out.
        out: file to write, `report.html` in the run folder by default.
        device: of the backbone.
        commands: that made the run, to be printed; by default as the files of run and store tell.

    Returns:
        The written file.

    Raises:
        HeatpoolError: if the run folder is incomplete or damaged, it is not of this store, or the
            file cannot be written.
    """
    run = read_run(run_dir)
    main_scores = run.test_scores[run.main_name]
    rows = find_rows(main_scores, store)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            run=run,
            spec=store.spec,
            store_name=PurePath(store.source.name).name,
            results=make_results(run, store, rows=rows),
            trust=make_trust(
                run.test_scores, main=run.main_name, columns=clip_columns(store), seeds=run.seeds
            ),
            card=make_card(store, protocol=run.protocol),
            samples=make_samples(
                main_scores, store, rows=rows, videos_root=videos_root, backbone=backbone, device=device
            ),
            other_network=_other_network(backbone, store),
            machine=_flatten(run.environment or run.summary.get("machine") or {}),
            commands=commands or command_lines(run, store),
            written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        )
    )
    path = out or run_dir / "report.html"
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise HeatpoolError(f"cannot write the report {path}: {error.strerror or error}") from error
    return path


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "pct": _percent,
        "interval": _interval,
        "spread": _spread,
        "size": _size,
        "count": _count,
    }
    return environment


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


def _interval(share: Share) -> str:
    low, high = share.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _spread(mean_and_std: tuple[float, float]) -> str:
    mean, std = mean_and_std
    return f"{100 * mean:.1f} ± {100 * std:.1f} %"


def _size(number_of_bytes: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number_of_bytes >= factor:
            return f"{number_of_bytes / factor:.3g} {unit}"
    return f"{number_of_bytes:.0f} bytes"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _other_network(backbone: PoseBackbone | None, store: FeatureStore) -> str:
    """Name of the network whose heatmaps are shown when it is not the one of the store."""
    if backbone is None or backbone.weights_sha256 == store.spec.weights_sha256:
        return ""
    return f"{backbone.name}, weights {backbone.weights_sha256[:12]}"


def _flatten(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + str(name), str(value)))
    return rows
