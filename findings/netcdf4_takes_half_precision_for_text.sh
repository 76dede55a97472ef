#!/usr/bin/env bash
# netCDF4 1.7.5.1 (netCDF-C 4.10.1) takes an HDF5 array of half precision for text: its values come as empty strings, and in a
# file of several arrays reading one may end Python. HDF5 knows half precision well; h5py and h5netcdf read it.
# heatpool's export therefore offers --dtype float32.
# Writes such an array, prints what netCDF4 says of it, and fails if that comes to be a number.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check netCDF4==1.7.5.1.post1 h5py==3.16.0 numpy
"$work/venv/bin/python" - "$work/half.h5" <<'PY'
import sys

import h5py
import netCDF4
import numpy as np

with h5py.File(sys.argv[1], "w") as file:
    file["half"] = np.arange(3, dtype=np.float16)
with h5py.File(sys.argv[1]) as file:
    print("h5py:   ", file["half"].dtype, file["half"][:])
half = netCDF4.Dataset(sys.argv[1])["half"]
print("netCDF4:", half.dtype, half[:])
sys.exit(half.dtype != str)
PY
