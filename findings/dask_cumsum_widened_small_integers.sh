#!/usr/bin/env bash
# dask before 2025.10: cumsum(dtype="uint8") of a lazy array, xarray's too, adds in 64 bits, in one chunk or in many:
# the dtype of the result says uint8, its values do not wrap. Arithmetic modulo 256, as precision u1 has it, goes wrong
# without a word. numpy's cumsum under xarray.apply_ufunc (docs/format.md) is right in all versions.
# Adds 200 and 100 modulo 256 by an old and a new dask, and fails if they come to agree.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 2025.9.1 2025.10.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/python" -m pip install --quiet --disable-pip-version-check "dask==$version" numpy==2.2.6
  "$work/$version/bin/python" - <<'PY' | tee -a "$work/said"
import dask
import dask.array
import numpy as np

total = dask.array.from_array(np.array([200, 100], "uint8")).cumsum(0, dtype="uint8")
print(f"dask {dask.__version__}: says {total.dtype}, gives {total.compute()} in {total.compute().dtype}")
PY
done
[ "$(grep -c '\[200  44\]' "$work/said")" = 1 ]
