"""Writing the report of a run as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatpool.pipelines.report.card import make_card
from heatpool.pipelines.report.commands import command_lines
from heatpool.pipelines.report.embedding import make_embedding
from heatpool.pipelines.report.page import link_between, render_page
from heatpool.pipelines.report.results import make_results, scored_rows
from heatpool.pipelines.report.run_files import RunFiles, read_run_files
from heatpool.pipelines.report.samples import Picture, SampleClip, make_samples
from heatpool.pipelines.report.trust import make_trust
from heatpool.pipelines.runs.columns import clip_columns
from heatpool.pool.disk.atomic import write_text
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.extract.records import PoseBackbone

__all__ = ["write_report"]


def write_report(
    run_dir: Path,
    store: FeatureStore,
    *,
    videos_root: Path | None,
    load_network: Callable[[], PoseBackbone | None] = lambda: None,
    out: Path | None = None,
    commands: Sequence[str] = (),
    sheets: Sequence[tuple[Path, str]] = (),
) -> Path:
    """Write the report of a finished run.

    Videos or a network that are not there leave pictures out, and the page says so.

    Args:
        run_dir: run folder of `heatpool train`.
        store: the features it was trained on.
        videos_root: folder that the store's video paths are relative to; None leaves frames out.
        load_network: gives the pose network of the store, for heatmaps, None where there is none; called
            only if a frame was drawn.
        out: file to write, `report.html` in the run folder by default.
        commands: that made the run, to be printed; by default as the files of run and store tell.
        sheets: contact sheets to show below the sample clips, each with its caption.

    Returns:
        The written file.

    Raises:
        HeatpoolError: if the run folder is incomplete or damaged, it is not of this store, or the
            file cannot be written.
    """
    run = read_run_files(run_dir)
    main_scores = run.test[run.main_name]
    rows = scored_rows(main_scores, store)
    load_network = cache(load_network)
    samples = make_samples(main_scores, store, rows=rows, videos_root=videos_root, load_network=load_network)
    path = out or run_dir / "report.html"
    page = render_page(
        "page.html",
        title=_title(run, store),
        run=run,
        spec=store.spec,
        results=make_results(run, store, rows=rows),
        trust=make_trust(run.test, main=run.main_name, columns=clip_columns(store), seeds=run.seeds),
        card=make_card(store),
        samples=samples,
        sheets=_pictures(sheets),
        embedding=make_embedding(main_scores, store, rows=rows),
        other_network=_other_network(load_network(), store) if _has_heat(samples) else "",
        machine=_flatten(run.environment or run.summary.get("machine") or {}),
        commands=commands or command_lines(run, store),
        tables={
            name: {file.name: link_between(path, file) for file in files}
            for name, files in run.tables.items()
        },
        written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
    )
    write_text(path, page, overwrite=True)
    return path


def _title(run: RunFiles, store: FeatureStore) -> str:
    """Data, protocol and model; older runs do not say their model."""
    model = run.summary.get("model")
    return " · ".join([store_stem(store.source.name), run.protocol, *([str(model)] if model else [])])


def _pictures(files: Sequence[tuple[Path, str]]) -> list[Picture]:
    if not files:
        return []
    from heatpool.pipelines.report.pictures import embed_picture  # which loads stage one

    return [embed_picture(path, caption) for path, caption in files]


def _has_heat(samples: Sequence[SampleClip]) -> bool:
    return any(sample.pictures.heat for sample in samples)


def _other_network(network: PoseBackbone | None, store: FeatureStore) -> str:
    """Name of the network whose heatmaps are shown when it is not the one of the store."""
    if network is None or network.weights_sha256 == store.spec.weights_sha256:
        return ""
    return f"{network.name}, weights {network.weights_sha256[:12]}"


def _flatten(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + str(name), str(value)))
    return rows
