"""Making, resuming and finishing a feature store.

One writer per shard; the coordinating process alone creates, resumes and finishes.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pool.compare import find_difference, find_index_difference
from pool.errors import HeatpoolError
from pool.files import clean_leftovers, flush_file, flush_folder, flush_tree, temp_name, write_atomic
from pool.index import create_index, create_results, read_index, read_strings
from pool.journal import ShardRecord, finished_shards, merge_results
from pool.layout import (
    FINISHED,
    JOURNAL,
    RESULT_DTYPES,
    Layout,
    create_feature_array,
    layout_from_attributes,
    read_root,
    root_attributes,
)
from pool.records import ClipFeatures, ClipIndex, ClipResult, Status, StoreSpec
from pool.shard import OnStep, write_shard

__all__ = ["StoreWriter"]


class StoreWriter:
    """Writes the shards of one store. Cheap to make and to pickle; workers may `attach` to the path.

    Each shard must be written by one process at a time; different shards may be written by
    different processes at once. `create`, `resume` and `finish` belong to the coordinating process.

    Attributes:
        path: root folder of the store.
        layout: sizes and division into shards.
        on_step: called with the name of each step once it is done (`shard 3: renamed boxes`):
            for traces, and for tests that kill the writer at every step.
    """

    def __init__(self, path: Path, layout: Layout, *, on_step: OnStep | None = None) -> None:
        self.path = path
        self.layout = layout
        self.on_step = on_step

    def __repr__(self) -> str:
        return f"StoreWriter({self.path}, {self.layout.clips} clips in {self.layout.shards} shards)"

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        spec: StoreSpec,
        index: ClipIndex,
        shard_clips: int = 64,
        overwrite: bool = False,
        on_step: OnStep | None = None,
    ) -> StoreWriter:
        """Make a new store with every clip pending; it appears under `path` whole or not at all.

        Args:
            path: folder to make; its parents are made too.
            spec: sizes and provenance.
            index: ids, labels, columns and splits of all clips.
            shard_clips: clips per shard file, 1 to 4096.
            overwrite: replace an existing heatpool store (and nothing else) at `path`.
            on_step: see the class.

        Raises:
            HeatpoolError: if there is no clip, `path` exists or cannot be made, or a name in the
                index cannot be stored.
            ValueError: if `shard_clips` is out of range or the config is not JSON.
        """
        root = Path(path)
        if len(index) == 0:
            raise HeatpoolError(f"{root}: expected at least one clip, got an empty index")
        _refuse_existing(root, overwrite=overwrite)
        writer = cls(root, Layout.of(spec, clips=len(index), shard_clips=shard_clips), on_step=on_step)
        attributes = root_attributes(spec, clips=len(index), shard_clips=shard_clips)
        label = root.name.replace("-", "_")
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            clean_leftovers(root.parent, prefix=f".tmp-{label}-")
            aside = root.parent / temp_name(f"{label}-new")
            shutil.rmtree(aside, ignore_errors=True)
            try:
                writer._fill_new(aside, attributes, index)
                writer._move_into_place(aside, old=root.parent / temp_name(f"{label}-old"))
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise HeatpoolError(
                f"{root}: cannot make the feature store ({error.strerror or error})"
            ) from error
        return writer

    @classmethod
    def attach(cls, path: str | Path, *, on_step: OnStep | None = None) -> StoreWriter:
        """Open an existing store for `write_shard` in a worker, without comparing spec and index.

        Raises:
            HeatpoolError: if there is no store of this version.
        """
        root = Path(path)
        return cls(root, layout_from_attributes(read_root(root)), on_step=on_step)

    @classmethod
    def resume(
        cls, path: str | Path, *, spec: StoreSpec, index: ClipIndex, on_step: OnStep | None = None
    ) -> StoreWriter:
        """Open an existing store to write what is pending, and clear away dead writers' leftovers.

        Raises:
            HeatpoolError: if there is no store of this version, or its spec, config or index are
                not the given ones.
        """
        writer = cls.attach(path, on_step=on_step)
        group = zarr.open_group(writer.path, mode="r")
        given = root_attributes(spec, clips=len(index), shard_clips=writer.layout.shard_clips)
        # Another release may go on with a store: each journal record names the release that wrote it.
        names = set(given) - {"code_version"}
        stored = {name: value for name, value in read_root(writer.path).items() if name in names}
        difference = find_difference(stored, {name: given[name] for name in names})
        difference = difference or find_index_difference(read_index(group), index)
        if difference:
            raise HeatpoolError(
                f"{writer.path}: cannot resume, the store was made from other input: {difference}; "
                "give the same input, another output, or --overwrite"
            )
        clean_leftovers(writer.path)
        return writer

    def shard_rows(self, shard: int) -> range:
        """Rows (clip numbers) of a shard."""
        return self.layout.rows(shard)

    def pending_shards(self, *, verify: bool = False) -> list[int]:
        """Shards still to be written, in order: without a valid record, or with a file missing or resized.

        Args:
            verify: also read every file of the finished shards and compare its SHA-256.
        """
        finished = {record.shard for record in finished_shards(self.path, self.layout, verify=verify)}
        return [shard for shard in range(self.layout.shards) if shard not in finished]

    def write_shard(
        self, shard: int, features: Sequence[ClipFeatures | None], results: Sequence[ClipResult]
    ) -> ShardRecord:
        """Write all clips of one shard; once this returns, they are safe on disk.

        Args:
            shard: number of the shard.
            features: one per clip of `shard_rows(shard)`; None for a clip without features.
            results: outcome of each clip.

        Returns:
            The journal record.

        Raises:
            HeatpoolError: if a value does not fit float16, or the disk refuses.
            ValueError: if counts, shapes or statuses do not fit.
        """
        return write_shard(
            self.path, self.layout, shard, features=features, results=results, on_step=self._step
        )

    def finish(self) -> None:
        """Rebuild the per-clip result arrays from the journal and write `failures.csv`.

        Every file is replaced atomically; the mark `finished.json` comes last, and readers trust
        the arrays only under that mark. May be called while shards are pending.

        Raises:
            HeatpoolError: if the disk refuses.
        """
        aside = self.path / temp_name("finish")
        try:
            (self.path / FINISHED).unlink(missing_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
            try:
                arrays, messages = merge_results(self.path, self.layout)
                self._replace_results(aside, arrays)
                failures = self._failures_csv(arrays["status"], messages)
                write_atomic(self.path / "failures.csv", failures, temp_folder=aside)
                self._step("finish: wrote failures.csv")
                counts = {status.name.lower(): int((arrays["status"] == status).sum()) for status in Status}
                mark = json.dumps({"clips": counts}).encode() + b"\n"
                write_atomic(self.path / FINISHED, mark, temp_folder=aside)
                self._step("finish: marked")
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise HeatpoolError(
                f"{self.path}: cannot finish the store ({error.strerror or error})"
            ) from error

    def _step(self, name: str) -> None:
        if self.on_step is not None:
            self.on_step(name)

    def _fill_new(self, aside: Path, attributes: dict[str, Any], index: ClipIndex) -> None:
        group = zarr.create_group(aside, zarr_format=3, attributes=attributes)
        clips, shard_clips = self.layout.clips, self.layout.shard_clips
        for feature in self.layout.features.values():
            create_feature_array(group, feature, clips=clips, shard_clips=shard_clips)
        self._step("create: declared features")
        create_index(group, index)
        create_results(group, {name: np.zeros(clips, dtype) for name, dtype in RESULT_DTYPES.items()})
        self._step("create: wrote the index")
        with warnings.catch_warnings():
            # Consolidated metadata lets readers open the store with one read. zarr notes that it is
            # not in the v3 core document; readers that do not know it ignore it.
            warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
            zarr.consolidate_metadata(str(aside))
        (aside / JOURNAL).mkdir()
        flush_tree(aside)
        self._step("create: flushed")

    def _move_into_place(self, aside: Path, *, old: Path) -> None:
        if self.path.exists():
            os.rename(self.path, old)
            self._step("create: moved the old store away")
        os.rename(aside, self.path)
        flush_folder(self.path.parent)
        self._step("create: in place")
        shutil.rmtree(old, ignore_errors=True)

    def _replace_results(self, aside: Path, arrays: Mapping[str, np.ndarray]) -> None:
        create_results(zarr.create_group(aside, zarr_format=3), arrays)
        for name in arrays:
            for chunk in sorted((aside / name).glob("c.*")):
                flush_file(chunk)
                os.replace(chunk, self.path / name / chunk.name)
            flush_folder(self.path / name)
            self._step(f"finish: replaced {name}")

    def _failures_csv(self, status: np.ndarray, messages: Mapping[int, str]) -> bytes:
        """Clips to look at, with their reason. `no_person` is listed, though it is not a failure."""
        rows = np.flatnonzero(np.isin(status, (Status.FAILED, Status.TRUNCATED, Status.NO_PERSON)))
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("clip_id", "path", "status", "message"))
        if rows.size:
            group = zarr.open_group(self.path, mode="r")
            names = (read_strings(group, "clip_id", rows), read_strings(group, "path", rows))
            for row, clip_id, path in zip(rows.tolist(), *names, strict=True):
                table.writerow((clip_id, path, Status(status[row]).name.lower(), messages.get(row, "")))
        return text.getvalue().encode(errors="backslashreplace")


def _refuse_existing(root: Path, *, overwrite: bool) -> None:
    """Raise HeatpoolError unless `root` is free, or a store (or empty folder) that may be replaced."""
    if not os.path.lexists(root):
        return
    if not overwrite:
        raise HeatpoolError(f"{root}: already exists; go on with --resume or replace it with --overwrite")
    if root.is_dir() and not root.is_symlink() and not any(root.iterdir()):
        return
    try:
        read_root(root, any_version=True)
    except HeatpoolError as error:
        raise HeatpoolError(f"--overwrite replaces heatpool feature stores only: {error}") from error
