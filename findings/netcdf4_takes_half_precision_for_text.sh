#!/usr/bin/env bash
# netCDF4 1.7.5.1 (netCDF-C 4.10.1) takes an HDF5 array of half precision for text: it gives its dtype as str, and reading it
# gives empty strings or ends Python with a segmentation fault, depending on the values. HDF5 knows half precision; h5py and
# h5netcdf read it. heatpool's export therefore offers --dtype float32.
# Writes such an array, prints what becomes of reading it, and fails if its numbers come.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check netCDF4==1.7.5.1.post1 h5py==3.16.0 numpy
cat > "$work/read.py" <<'PY'
import subprocess
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w") as file:
    file["half"] = np.arange(3, dtype=np.float16)
with h5py.File(sys.argv[1]) as file:
    print("h5py:   ", file["half"].dtype, file["half"][:])
code = "import sys, netCDF4; half = netCDF4.Dataset(sys.argv[1])['half']; print(half.dtype, flush=True); print(half[:])"
done = subprocess.run([sys.executable, "-c", code, sys.argv[1]], capture_output=True, text=True)
print("netCDF4:", *done.stdout.split("\n"), f"exit code {done.returncode}")
sys.exit("<class 'str'>" not in done.stdout)
PY
"$work/venv/bin/python" "$work/read.py" "$work/half.h5"
