"""Uploading an archive: to the Hugging Face hub, with its data card, or into an object store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from heatpool.pool.archive.card import store_card
from heatpool.pool.archive.hub import hub_readme, push_to_hub
from heatpool.pool.archive.pack import pack, verify
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.addresses import HUB, HubPath, open_files, split_address
from heatpool.pool.sources.archive import ArchiveSource
from heatpool.pool.sources.locate import ARCHIVE_SUFFIX, open_archive
from heatpool.pool.sources.remote import RemoteFile
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Pushed", "push_archive"]


@dataclass(frozen=True)
class Pushed:
    """What an upload did, or would do.

    Attributes:
        address: where the archive is read from now.
        size: its bytes.
        digest: SHA-256 (hex) of its manifest.
        files: "new", "replaced" or "there already" by name.
    """

    address: str
    size: int
    digest: str
    files: Mapping[str, str]


def push_archive(
    store: str | Path,
    address: str,
    *,
    overwrite: bool = False,
    card: bool = True,
    private: bool = False,
    dry_run: bool = False,
) -> Pushed:
    """Check an archive byte for byte, upload it, and compare what arrived.

    Args:
        store: archive on disk, or a store folder, which is packed first.
        address: `hf://datasets/USER/REPO[/PATH]`, or of an object store (`s3://bucket/path`); an address that
            does not end with .hpz is a folder, and the file keeps its name.
        overwrite: replace what is there with other content.
        card: on the hub: the data card becomes the README.md of the data set.
        private: on the hub: make a new data set private.
        dry_run: upload nothing.

    Raises:
        HeatpoolError: if the archive is damaged, the address takes no files, other content is there, or the
            upload fails.
    """
    scheme = split_address(address).scheme
    if scheme in ("http", "https"):
        raise HeatpoolError(f"{address}: expected hf://datasets/… or an object store, got a web server")
    with _packed(Path(store)) as path:
        archive = open_archive(path)
        packed = verify(archive)
        target = address.rstrip("/")
        target += "" if target.endswith(ARCHIVE_SUFFIX) else f"/{path.name}"
        if scheme == HUB:
            place = HubPath.parse(target)
            opened = FeatureStore.open(archive)
            readme = hub_readme(opened, store_card(opened), address=target) if card else None
            files = push_to_hub(
                path, place, readme=readme, overwrite=overwrite, private=private, dry_run=dry_run
            )
        else:
            files = {target: _push_object(archive, path, target, overwrite=overwrite, dry_run=dry_run)}
    return Pushed(target, packed.size, packed.digest, files)


@contextmanager
def _packed(store: Path) -> Iterator[Path]:
    """The archive itself, or that of a store folder for as long as it is needed."""
    if not store.is_dir():
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="heatpool-") as folder:
        path = Path(folder) / f"{store.resolve().stem}{ARCHIVE_SUFFIX}"
        pack(store, path)
        yield path


def _push_object(archive: ArchiveSource, path: Path, target: str, *, overwrite: bool, dry_run: bool) -> str:
    """Upload into an object store, where an object appears whole or not at all; what was done."""
    files = open_files(target, file=True, tries=5)
    found = files.begin("", 0, 1)
    state = "new" if found is None else "replaced"
    if found is not None and found[1] == archive.layout.size:
        with suppress(HeatpoolError):  # of the same size, and no archive
            if _digest_at(target) == archive.digest:
                return "there already"
    if found is not None and not overwrite:
        raise HeatpoolError(f"{target}: other content is there already; replace it with --overwrite")
    if not dry_run:
        files.put(path)
        if _digest_at(target) != archive.digest:
            raise HeatpoolError(f"{target}: arrived as other bytes; push again")
    return state


def _digest_at(address: str) -> str:
    """SHA-256 of the manifest of an archive that lies there. Raises HeatpoolError for another file."""
    return ArchiveSource(RemoteFile(open_files(address, file=True))).digest
