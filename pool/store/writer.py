"""Making, resuming and finishing a feature store.

One process at a time coordinates (creates, resumes, finishes) and holds the store's lock; one process
at a time writes a shard and holds the shard's lock. Workers attach and write shards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from heatpool.pool.disk.atomic import OnStep, atomic_folder
from heatpool.pool.disk.files import clean_leftovers
from heatpool.pool.disk.locks import Lock, clear_dead_locks
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.attributes import (
    layout_from_attributes,
    read_root,
    root_attributes,
    spec_from_attributes,
)
from heatpool.pool.store.create import fill_new, lock_store, replace_store
from heatpool.pool.store.finish import finish_store
from heatpool.pool.store.journal import ShardRecord
from heatpool.pool.store.layout import JOURNAL, Layout
from heatpool.pool.store.resume import compare_input, remake_files
from heatpool.pool.store.shard_writer import ShardWriter, stack_features, to_stored
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.verify import Check, incomplete_shards
from heatpool.pool.store.versions import Versions, parse_versions

__all__ = ["StoreWriter"]


class StoreWriter:
    """Writes the shards of one store. Cheap to make and to pickle; workers may `attach` to the path.

    `create` and `resume` take the store's lock: a second one is refused while the first lives, on
    whatever machine. `finish`, `close` or the end of a `with` block give it back. Pickled and attached
    writers hold no lock; each shard is locked while it is written.

    Attributes:
        path: root folder of the store.
        layout: sizes and division into shards.
        versions: of the packages that make the features, as the store's attributes say.
        on_step: called with the name of each step once it is done (`shard 3: renamed boxes`):
            for traces, and for tests that kill the writer at every step.
    """

    def __init__(
        self, path: Path, layout: Layout, *, versions: Versions, on_step: OnStep | None = None
    ) -> None:
        self.path = path
        self.layout = layout
        self.versions = versions
        self.on_step = on_step
        self._lock: Lock | None = None

    def __repr__(self) -> str:
        return f"StoreWriter({self.path}, {self.layout.clips} clips in {self.layout.shards} shards)"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lock": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
            HeatpoolError: if `path` exists or cannot be made, is being written by somebody, or a name
                in the index cannot be stored.
            ValueError: if `shard_clips` is out of range or the config is not JSON.
        """
        root = Path(path)
        layout = Layout.of(spec, clips=len(index), shard_clips=shard_clips)
        writer = cls(root, layout, versions=spec.versions, on_step=on_step)
        attributes = root_attributes(spec, clips=len(index), shard_clips=shard_clips)
        with replace_store(root, overwrite=overwrite, resumable=True):
            writer._create(attributes, index, overwrite=overwrite)
        return writer

    @classmethod
    def attach(cls, path: str | Path, *, on_step: OnStep | None = None) -> StoreWriter:
        """Open an existing store for `write_shard` in a worker, without comparing spec and index.

        Raises:
            HeatpoolError: if there is no store of this version.
        """
        root = Path(path)
        attributes = read_root(FolderSource(root))
        versions = spec_from_attributes(attributes).versions
        return cls(root, layout_from_attributes(attributes), versions=versions, on_step=on_step)

    @classmethod
    def resume(
        cls,
        path: str | Path,
        *,
        spec: StoreSpec,
        index: ClipIndex,
        check: Check = "hashes",
        on_step: OnStep | None = None,
    ) -> StoreWriter:
        """Open an existing store to write what is pending, and clear away dead writers' leftovers.

        Metadata and index files that are damaged are made again.

        Args:
            path: root folder of the store.
            spec: sizes and provenance, the same as at creation.
            index: the same as at creation.
            check: how closely metadata and index files are looked at.
            on_step: see the class.

        Raises:
            HeatpoolError: if there is no store of this version, its spec, config or index are not the
                given ones, or somebody else writes it.
        """
        root = Path(path)
        found = compare_input(root, spec=spec, index=index, check=check)
        versions = parse_versions(found.attributes.get("versions", {}))
        writer = cls(root, found.layout, versions=versions, on_step=on_step)
        with _disk_errors(root, "resume"):
            writer._lock = lock_store(root)
            try:
                if found.incomplete:
                    remake_files(root, found)
                (root / JOURNAL).mkdir(exist_ok=True)
                clean_leftovers(root)
                clear_dead_locks(root, prefix=".lock-", what=str(root))
            except BaseException:
                writer.close()
                raise
        return writer

    def shard_rows(self, shard: int) -> range:
        """Rows (clip numbers) of a shard."""
        return self.layout.rows(shard)

    def pending_shards(self, *, check: Check = "sizes") -> list[int]:
        """Shards still to be written, in order.

        Args:
            check: what makes a shard count as written. `hashes`: an intact record, and files that have the
                recorded SHA-256; `sizes`: files of the recorded sizes; `journal`: that there is a record.
        """
        return incomplete_shards(self.path, self.layout, check=check)

    def write_shard(
        self,
        shard: int,
        features: Sequence[ClipFeatures | None],
        results: Sequence[ClipResult],
        *,
        versions: Versions | None = None,
    ) -> ShardRecord:
        """Write all clips of one shard; once this returns, they are safe on disk.

        Args:
            shard: number of the shard.
            features: one per clip of `shard_rows(shard)`; None for a clip without features.
            results: outcome of each clip.
            versions: of the packages that made them; default those of the store.

        Returns:
            The journal record.

        Raises:
            HeatpoolError: if a value does not fit float16, or the disk refuses.
            ValueError: if counts, shapes or statuses do not fit.
        """
        arrays = stack_features(self.layout, self.layout.rows(shard), features, results)
        return self.write_stored(shard, to_stored(self.layout, arrays), results, versions=versions)

    def write_stored(
        self,
        shard: int,
        arrays: Mapping[str, np.ndarray],
        results: Sequence[ClipResult],
        *,
        versions: Versions | None = None,
    ) -> ShardRecord:
        """Write one shard from arrays as `FeatureStore.read_stored` gives them, without quantising again.

        Args:
            shard: number of the shard.
            arrays: (n, ...) by name, all of `layout.stored`, in their dtypes; finite (`time_s`: NaN where
                a clip has no features).
            results: outcome of each clip.
            versions: as of `write_shard`.

        Raises:
            HeatpoolError: if the disk refuses.
            ValueError: if counts, shapes, dtypes or values do not fit.
        """
        made = versions or {}
        others = {name: each for name, each in made.items() if each != self.versions.get(name)}
        return ShardWriter(self.path, self.layout, shard, self._step, others).write(arrays, results)

    def finish(self) -> None:
        """Rebuild the per-clip result arrays from the journal, write `failures.csv`, give the lock back.

        Every file is replaced atomically; the mark `finished.json` comes last, and readers trust
        the arrays only under that mark. May be called while shards are pending.

        Raises:
            HeatpoolError: if the disk refuses, or somebody else writes the store.
        """
        with _disk_errors(self.path, "finish the store"):
            if self._lock is None:
                self._lock = lock_store(self.path)
            try:
                self._lock.check()
                finish_store(self.path, self.layout, on_step=self._step)
            finally:
                self.close()

    def close(self) -> None:
        """Give the store's lock back, if it is held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _step(self, name: str) -> None:
        if self.on_step is not None:
            self.on_step(name)

    def _create(self, attributes: dict[str, Any], index: ClipIndex, *, overwrite: bool) -> None:
        try:
            with atomic_folder(
                self.path, overwrite, on_step=lambda name: self._step(f"create: {name}")
            ) as aside:
                fill_new(aside, self.layout, attributes=attributes, index=index, on_step=self._step)
                self._lock = lock_store(aside)  # the store is locked from its first moment in place
            self._lock.moved(self.path / self._lock.path.name)
        except BaseException:
            self.close()
            raise


@contextmanager
def _disk_errors(root: Path, task: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HeatpoolError(f"{root}: cannot {task} ({error.strerror or error})") from error
