"""Read a store with one reader and print what came: run by `benchmarks.readers` in an environment of its own.

Usage: python read_with.py READER STORE. Imports nothing of heatpool. For each array a line of JSON: its name,
and dtype, shape and SHA-256 of its values, or the error.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

Reads = Iterable[tuple[str, Callable[[], Any]]]


def describe(values: Any) -> dict[str, Any]:
    """Say what values are: texts as such, everything else by its bytes in C order."""
    array = np.asarray(values)
    if array.dtype.kind in "OUT":
        data, kind = json.dumps([str(each) for each in array.ravel()], ensure_ascii=False).encode(), "string"
    else:
        data, kind = np.ascontiguousarray(array).tobytes(), array.dtype.name
    return {"dtype": kind, "shape": list(array.shape), "sha256": hashlib.sha256(data).hexdigest()}


def names_in(store: Path) -> list[str]:
    return sorted(path.parent.name for path in store.glob("*/zarr.json"))


def by_zarr(store: Path) -> Reads:
    import zarr

    group = zarr.open_group(store, mode="r")
    for name in names_in(store):
        yield name, lambda name=name: group[name][:]


def by_zarrs(store: Path) -> Reads:
    import zarr
    import zarrs  # noqa: F401 - the pipeline that is asked for

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True})
    yield from by_zarr(store)


def by_xarray(store: Path) -> Reads:
    """Lazily with dask; and of `u1` what the recipe of docs/format.md makes."""
    import xarray

    data = xarray.open_zarr(store)
    for name in data.variables:
        yield str(name), lambda name=name: data[name].values
    if "pooled_scale" in data:
        page = (Path(__file__).parents[1] / "docs/format.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        (recipe,) = (block for block in blocks if "def decode_pooled" in block)
        names: dict[str, Any] = {}
        exec(recipe.partition("\ndata =")[0], names)
        yield "u1 decoded", lambda: names["decode_pooled"](data).values


def by_tensorstore(store: Path) -> Reads:
    import tensorstore

    for name in names_in(store):
        where = {"driver": "file", "path": str(store / name)}
        yield (
            name,
            lambda where=where: (
                tensorstore.open({"driver": "zarr3", "kvstore": where}).result()[...].read().result()
            ),
        )


def by_gdal(store: Path) -> Reads:
    """By rasterio, whose wheels bring GDAL."""
    import rasterio

    def read(name: str) -> np.ndarray:
        with rasterio.open(f'ZARR:"{store}":/{name}') as file:
            return file.read()

    for name in names_in(store):
        yield name, lambda name=name: read(name)


def by_virtualizarr(store: Path) -> Reads:
    """Virtual references to the files of the store, committed to icechunk and read by xarray."""
    import icechunk
    import xarray
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr import open_virtual_dataset
    from virtualizarr.parsers import ZarrParser

    place = f"file://{store}/"
    virtual = open_virtual_dataset(
        url=f"file://{store}", registry=ObjectStoreRegistry({"file://": LocalStore()}), parser=ZarrParser()
    ).vz.rename_paths(lambda path: re.sub("^file:/+", "file:///", path))
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(
        icechunk.VirtualChunkContainer(place, icechunk.local_filesystem_store(str(store)))
    )
    repository = icechunk.Repository.create(
        icechunk.in_memory_storage(),
        config,
        authorize_virtual_chunk_access=icechunk.containers_credentials({place: None}),
    )
    session = repository.writable_session("main")
    virtual.vz.to_icechunk(session.store)
    session.commit("references")
    data = xarray.open_zarr(repository.readonly_session("main").store, consolidated=False)
    for name in data.variables:
        yield str(name), lambda name=name: data[name].values


def by_netcdf4(file: Path) -> Reads:
    import netCDF4

    data = netCDF4.Dataset(file)
    for folder in (data, *data.groups.values()):
        prefix = "" if folder is data else f"{folder.name}/"
        for name, variable in folder.variables.items():
            variable.set_auto_mask(False)
            yield prefix + name, lambda variable=variable: variable[...]


READERS: dict[str, Callable[[Path], Reads]] = {
    function.__name__: function
    for function in (by_zarr, by_zarrs, by_xarray, by_tensorstore, by_gdal, by_virtualizarr, by_netcdf4)
}


def main() -> None:
    """Print what the reader gives, array by array."""
    reader, store = READERS[sys.argv[1]], Path(sys.argv[2])
    for name, read in reader(store):
        try:
            said = describe(read())
        except Exception as error:  # whatever it is, the table says it
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"array": name, **said}), flush=True)


if __name__ == "__main__":
    main()
