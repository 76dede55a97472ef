"""`heatpool archive …`: pack, verify, unpack, card, merge, subset."""

from __future__ import annotations

import sys
from functools import singledispatch
from typing import Any

from heatpool.pipelines.options import (
    CardOptions,
    MergeOptions,
    PackOptions,
    SubsetOptions,
    UnpackOptions,
    VerifyArchiveOptions,
)
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.archive.card import read_card, store_card
from heatpool.pool.archive.pack import Packed, pack, unpack, verify
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import open_archive
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]


@singledispatch
def run(config: Any) -> int:
    """Do what a configuration of this group asks; return the exit code.

    Raises:
        HeatpoolError: if an input is damaged, missing or does not fit, or an output exists.
    """
    raise TypeError(f"expected a configuration of an archive command, got {type(config).__name__}")


@run.register(PackOptions)
def _pack(config: PackOptions) -> int:
    card = read_card(config.card) if config.card else store_card(FeatureStore.open(config.store))
    packed = pack(config.store, config.out, card=card, overwrite=config.overwrite)
    print(_described("packed", packed))
    return 0


@run.register(VerifyArchiveOptions)
def _verify(config: VerifyArchiveOptions) -> int:
    print(_described("sound:", verify(open_archive(config.archive))))
    return 0


@run.register(UnpackOptions)
def _unpack(config: UnpackOptions) -> int:
    print(_described("unpacked", unpack(open_archive(config.archive), config.out)))
    return 0


@run.register(CardOptions)
def _card(config: CardOptions) -> int:
    text = store_card(FeatureStore.open(config.store))
    if config.out is None:
        print(text, end="")
        return 0
    try:
        with config.out.open("w" if config.overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise HeatpoolError(f"{config.out}: already exists; give another --out or --overwrite") from error
    except OSError as error:
        raise HeatpoolError(f"{config.out}: cannot be written ({error.strerror})") from error
    print(f"edit {config.out}, then: heatpool archive pack STORE OUT.hpz --card {config.out}")
    return 0


@run.register(MergeOptions)
def _merge(config: MergeOptions) -> int:
    stores = [FeatureStore.open(location) for location in config.stores]
    with Progress("merge", sum(map(len, stores)), "clips", quiet=config.quiet) as progress:
        merge_stores(stores, config.out, on_clips=progress.step)
    _say(config.quiet, f"{config.out}: {sum(map(len, stores))} clips of {len(stores)} stores")
    return 0


@run.register(SubsetOptions)
def _subset(config: SubsetOptions) -> int:
    store = FeatureStore.open(config.store)
    classes, where = config.class_list, config.where_values
    rows = store.clips.rows(config.protocol, config.split, where=where or None, classes=classes or None)
    given = {"protocol": config.protocol, "split": config.split, "classes": classes, "where": where}
    with Progress("subset", len(rows), "clips", quiet=config.quiet) as progress:
        subset_store(
            store, config.out, rows=rows, keep_classes=not classes, on_clips=progress.step,
            choice={name: value for name, value in given.items() if value},
        )  # fmt: skip
    _say(config.quiet, f"{config.out}: {len(rows)} of {len(store)} clips")
    return 0


def _described(verb: str, packed: Packed) -> str:
    size = f"{packed.members} files, {packed.size:,} bytes"
    return f"{verb} {packed.path}: {size}, manifest SHA-256 {packed.digest}"


def _say(quiet: bool, text: str) -> None:
    if not quiet:
        print(text, file=sys.stderr)
