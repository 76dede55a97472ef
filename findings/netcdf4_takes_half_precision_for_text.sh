#!/usr/bin/env bash
# netCDF4 1.7.5.1 (netCDF-C 4.10.1) takes an HDF5 array of half precision for text: it opens the file, lists the array and
# gives its dtype as str. Nothing is refused, and its numbers cannot be had. HDF5 knows half precision, h5py and h5netcdf read it.
# heatpool's export therefore offers --dtype float32.
# Writes such an array beside one of single precision, prints how both packages describe them, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check netCDF4==1.7.5.1.post1 h5py==3.16.0 numpy
"$work/venv/bin/python" - "$work/halves.h5" <<'PY'
import sys

import h5py
import netCDF4
import numpy as np

with h5py.File(sys.argv[1], "w") as file:
    for name, dtype in (("half", np.float16), ("single", np.float32)):
        file[name] = np.arange(3, dtype=dtype)
with h5py.File(sys.argv[1]) as file:
    print("h5py:   ", file["half"].dtype, file["half"][:], file["single"].dtype)
with netCDF4.Dataset(sys.argv[1]) as data:
    half, single = data["half"].dtype, data["single"].dtype
print("netCDF4:", half, single)
assert half is str
assert single == np.float32
PY
