"""Growing a store by new clips: they are extracted beside it, then both become one.

The clips lie in a store of their own, `<name>.append<suffix>`, until all are done. Whoever is killed before
that goes on there; the store itself changes once, in one step.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

from heatpool.extract.datasets.folder import read_videos
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.extraction.places import DEMO_FOLDER, append_folder, find_places, render_demo_videos
from heatpool.pipelines.extraction.plan import ExtractPlan, select_clips
from heatpool.pipelines.extraction.recorded import as_recorded
from heatpool.pipelines.extraction.run import Extraction, carry_out, prepare, report_outcome
from heatpool.pipelines.extraction.run_file import with_root_of
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.derive.merge import refuse_other_networks, refuse_pending
from heatpool.pool.derive.remake import append_store
from heatpool.pool.disk.class_names import plain_name
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.versions import check_versions

__all__ = ["append_clips", "plan_append"]

_log = logging.getLogger(__name__)


def plan_append(options: ExtractOptions) -> ExtractPlan | None:
    """Prepare the extraction of those clips that a store lacks, into a store beside it; None if it has all.

    Options that make features are those of the store, unless others are given.

    Raises:
        HeatpoolError: if there is no finished store, other networks or options made it, or a clip of it has
            the id of another video.
    """
    videos, path = find_places(options)
    store = FeatureStore.open(path)
    refuse_pending(store)
    options = as_recorded(options, store)
    if options.videos is None:
        videos = render_demo_videos(DEMO_FOLDER, quiet=options.quiet)
    listed = read_videos(videos, fps=options.fps, known=store.clips.class_names)
    manifest = _new_clips(store, select_clips(options, listed))
    if manifest is None:
        return None
    beside = append_folder(path)
    if beside.exists() and FeatureStore.open(beside).clips.index.clip_id != manifest.index().clip_id:
        raise HeatpoolError(
            f"{beside} holds other clips of an --append that was interrupted: finish it with its own "
            "manifest, or delete that folder"
        )
    own = replace(
        options, out=beside, append=False, resume=beside.exists(), shard_clips=store.layout.shard_clips,
        limit=0, window_s=0.0, stride_s=0.0, disjoint="",  # the clips are chosen and cut
    )  # fmt: skip
    plan = prepare(own, clips=manifest)
    refuse_other_networks(plan.spec, store.spec, names=(str(videos), str(path)))
    check_versions(
        {str(path): store.versions, "now": plan.spec.versions},
        backbone=store.spec.backbone, mixed=options.mixed_versions,
    )  # fmt: skip
    return plan


def append_clips(options: ExtractOptions) -> Extraction:
    """Extract the clips that a store lacks and put them behind its own.

    Returns:
        How it went for the new clips; no counts if there were none.

    Raises:
        HeatpoolError: as `plan_append`, or if no clip gives features: then the store stays as it is.
    """
    plan = plan_append(options)
    path = find_places(options)[1]
    if plan is None:
        shutil.rmtree(append_folder(path), ignore_errors=True)  # of one who was killed when all was done
        _log.info("%s: has all of these clips already", path)
        return Extraction(path, {}, {}, 0.0)
    done = carry_out(plan)
    if not done.usable:
        shutil.rmtree(done.store)
        reason = next(iter(done.failures.values()), "nobody was found in any")
        raise HeatpoolError(f"no new clip gave features, so {path} stays as it is; the first: {reason}")
    store, added = FeatureStore.open(path), FeatureStore.open(done.store)
    moved = len(added) + len(store) % store.layout.shard_clips  # a last shard that is not full is filled
    with Progress("append", moved, "clips", quiet=options.quiet) as progress:
        append_store(store, added, on_clips=progress.step)
    shutil.rmtree(done.store)
    done = replace(done, store=path)
    report_outcome(done)
    return done


def _new_clips(store: FeatureStore, manifest: Manifest) -> Manifest | None:
    """The clips of a manifest that a store lacks, None if it has all; paths as the store writes them."""
    index, rooted = store.clips.index, with_root_of(store, manifest)
    known = dict(zip(index.clip_id, index.path, strict=True))
    new, other = [], []
    for clip, *paths in zip(rooted.clips, rooted.index().path, manifest.index().path, strict=True):
        if clip.clip_id not in known:
            new.append(clip)
        elif known[clip.clip_id] not in paths:
            other.append((clip.clip_id, known[clip.clip_id], paths[0]))
    if other:
        name, there, here = other[0]
        raise HeatpoolError(
            f"{len(other)} clip ids are in {store.source.name} as other videos, such as {name!r}: {there} "
            f"there, {here} here; give these clips other ids in the column clip_id"
        )
    _say_others(store, manifest.index())
    return replace(rooted, clips=tuple(new)) if new else None


def _say_others(store: FeatureStore, given: ClipIndex) -> None:
    """Say which clips that a store has already are of another class or split in the manifest: they stay."""
    stored = store.clips.index
    row = {name: number for number, name in enumerate(stored.clip_id)}
    pairs = [(row[name], at) for at, name in enumerate(given.clip_id) if name in row]
    both = set(stored.splits).intersection(given.splits)
    others = [
        given.clip_id[at]
        for there, at in pairs
        if _class_of(given, at) not in ("", _class_of(stored, there))
        or any(given.splits[name][at] not in (Split.NONE, stored.splits[name][there]) for name in both)
    ]
    if others:
        _log.warning(
            "%d clips that %s has already are of another class or split in the manifest, such as %s: they "
            "stay as they are; heatpool relabel changes them", len(others), store.source.name, others[0],
        )  # fmt: skip


def _class_of(index: ClipIndex, row: int) -> str:
    label = int(index.label[row])
    return plain_name(index.class_names[label]) if label >= 0 else ""
