#!/usr/bin/env bash
# virtualizarr 2.5.1 makes references to the chunks of a Zarr v3 array by keys c/0/0 alone. The specification's other
# spelling, c.0.0 ("separator": "."), which heatpool's version 1 has, gives an array of fill values without a word.
# Reads the same values under both keys through icechunk, and fails if both come to be right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  virtualizarr==2.5.1 icechunk==1.1.21 xarray dask obstore arro3-core zarr
"$work/venv/bin/python" - "$work" <<'PY'
import sys

import icechunk
import numpy as np
import xarray
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr import open_virtual_dataset
from virtualizarr.parsers import ZarrParser

right = {}
for separator in ("/", "."):
    path = f"{sys.argv[1]}/{'slash' if separator == '/' else 'dot'}.zarr"
    keys = {"name": "default", "separator": separator}
    group = zarr.create_group(path, zarr_format=3)
    array = group.create_array("a", shape=4, chunks=2, dtype="i4", chunk_key_encoding=keys, dimension_names=["x"])
    array[:] = np.arange(1, 5)
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    virtual = open_virtual_dataset(url=f"file://{path}", registry=registry, parser=ZarrParser())
    virtual = virtual.vz.rename_paths(lambda each: each.replace("file:/", "file:///", 1))
    config, place = icechunk.RepositoryConfig.default(), f"file://{path}/"
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(place, icechunk.local_filesystem_store(path)))
    allowed = icechunk.containers_credentials({place: None})
    storage = icechunk.in_memory_storage()
    repository = icechunk.Repository.create(storage, config, authorize_virtual_chunk_access=allowed)
    session = repository.writable_session("main")
    virtual.vz.to_icechunk(session.store)
    session.commit("references")
    values = xarray.open_zarr(repository.readonly_session("main").store, consolidated=False)["a"].values
    print(f"keys with {separator!r}: {values}")
    right[separator] = values.tolist() == [1, 2, 3, 4]
sys.exit(right != {"/": True, ".": False})
PY
