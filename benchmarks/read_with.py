"""Read a store with one reader and print what came: run by `benchmarks.readers` in an environment of its own.

Usage: python read_with.py READER STORE, a folder or an archive, which is a zip file. Imports nothing of ours.
For each array a line of JSON: its name, and dtype, shape and SHA-256 of its values, or the error.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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
    """Name the arrays of a store."""
    if store.is_file():
        with zipfile.ZipFile(store) as archive:
            files = [Path(name) for name in archive.namelist()]
    else:
        files = [path.relative_to(store) for path in store.glob("*/zarr.json")]
    return sorted(path.parts[0] for path in files if path.name == "zarr.json" and len(path.parts) == 2)


def for_zarr(store: Path) -> Any:
    """Return what zarr-python opens: the folder, or the archive as a zip file."""
    import zarr

    return zarr.storage.ZipStore(store, mode="r") if store.is_file() else store


def by_zarr(store: Path) -> Reads:
    import zarr

    group: Any = zarr.open_group(for_zarr(store), mode="r")
    for name in names_in(store):
        yield name, partial(lambda name: group[name][:], name)


def by_zarrs(store: Path) -> Reads:
    import zarr
    import zarrs  # noqa: F401 - the pipeline that is asked for

    strict = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
    with zarr.config.set(strict):
        yield from by_zarr(store)


def by_xarray(store: Path) -> Reads:
    """Lazily with dask: as stored, and decoded, of `u1` by the recipe of docs/format.md."""
    import xarray

    stored = xarray.open_zarr(for_zarr(store), mask_and_scale=False)
    data = xarray.open_zarr(for_zarr(store))
    for name in stored.variables:
        yield str(name), partial(lambda name: stored[name].values, name)
        if "scale_factor" in stored[name].attrs:
            yield f"{name} decoded", partial(lambda name: data[name].astype("float16").values, name)
    if "pooled_scale" in data:
        decode = recipe("def decode_pooled")["decode_pooled"]
        yield "pooled decoded", lambda: decode(data).values


def recipe(defining: str) -> dict[str, Any]:
    """Run the example of docs/format.md that defines something, as far as it defines; return its names."""
    page = (Path(__file__).parents[1] / "docs/format.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if defining in block)
    names: dict[str, Any] = {}
    exec(block.partition("\ndata =")[0], names)
    return names


def by_tensorstore(store: Path) -> Reads:
    import tensorstore

    for name in names_in(store):
        place: dict[str, Any] = {"driver": "file", "path": str(store)}
        place = {"driver": "zip", "base": place} if store.is_file() else {**place, "path": f"{store}/"}
        spec = {"driver": "zarr3", "kvstore": place, "path": name}
        yield name, partial(lambda spec: tensorstore.open(spec).result()[...].read().result(), spec)


def by_gdal(store: Path) -> Reads:
    """By rasterio, whose wheels bring GDAL. An array comes as bands, its first axes in one."""
    import rasterio

    def read(name: str) -> np.ndarray:
        with rasterio.open(f'ZARR:"{store}":/{name}') as file:
            shape = json.loads((store / name / "zarr.json").read_text(encoding="utf-8"))["shape"]
            return file.read().reshape(shape)

    for name in names_in(store):
        yield name, partial(read, name)


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
    ).vz.rename_paths(lambda path: re.sub("^file:/+", "file:///", path))  # one slash, before version 2.8
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
    kept = repository.readonly_session("main").store
    data = xarray.open_zarr(kept, consolidated=False, mask_and_scale=False)
    for name in data.variables:
        yield str(name), partial(lambda name: data[name].values, name)


READERS: dict[str, Callable[[Path], Reads]] = {
    function.__name__: function
    for function in (by_zarr, by_zarrs, by_xarray, by_tensorstore, by_gdal, by_virtualizarr)
}


def read_all(reader: str, store: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each array, and what it is as the reader gives it, or its error."""
    for name, read in READERS[reader](store):
        try:
            yield name, describe(read())
        except Exception as error:  # whatever it is, the table says it
            yield name, {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    for array, said in read_all(sys.argv[1], Path(sys.argv[2])):
        print(json.dumps({"array": array, **said}), flush=True)
