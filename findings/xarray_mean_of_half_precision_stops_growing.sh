#!/usr/bin/env bash
# xarray 2026.9.0 over numpy 2.4.6: the mean of float16 values is taken by a sum in float16, because xarray skips NaN and numpy's
# nanmean, unlike its mean, has no wider intermediate. Along an axis the sum stops growing where a value is less than half a
# step of it, so the mean of many equal values is far below each of them, without a warning; over all values it is infinite.
# skipna=False, or float32, is right.
# Takes the mean of 10,000 rows of 3.5 along the rows by each, and fails if xarray's comes out at 3.5.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check xarray==2026.9.0 numpy==2.4.6
"$work/venv/bin/python" -W error - <<'PY'
import sys

import numpy as np
import xarray

rows = np.full((10_000, 3), 3.5, np.float16)
data = xarray.DataArray(rows, dims=("clip", "channel"))
means = {
    "xarray": data.mean("clip").values,
    "xarray, skipna=False": data.mean("clip", skipna=False).values,
    "numpy nanmean": np.nanmean(rows, axis=0),
    "numpy mean": rows.mean(0),
}
for name, mean in means.items():
    print(f"{name}: {mean[0]} ({mean.dtype})")
sys.exit(bool(means["xarray"][0] == 3.5))
PY
