"""`heatpool demo` from an empty folder to report.html: seconds of each part, as the program logs them.

Usage: python -m benchmarks.demo [--small]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARTS = {
    "render the videos": r"^render: .* clips in (\d+) s",
    "extract": r"^\S*demo/features\.zarr: .* in (\d+) s",
    "train both streams": r"^train: .* epochs in (\d+) s",
    "all of the demo": r"^demo: (\d+) s in all",
}
OTHERS = "load the networks, evaluate, report, a real clip where weights are there"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    program = "import sys; from heatpool.pipelines.cli import main; sys.exit(main())"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", program, "demo", "--out", str(Path(folder, "demo"))]
        begun = time.perf_counter()
        done = subprocess.run(
            command + ["--small"] * options.small, check=True, stderr=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - begun
    found: dict[str, float] = {}
    for part, pattern in PARTS.items():
        output = re.findall(pattern, done.stderr, re.MULTILINE)
        if not output:
            raise SystemExit(f"expected the seconds of '{part}' in what heatpool demo logs")
        found[part] = float(output[-1])
    whole = found.pop("all of the demo")
    found[OTHERS] = whole - sum(found.values())
    found["start of the program"] = seconds - whole
    found["all"] = seconds
    print("| part | seconds |\n|---|---|")
    print("\n".join(f"| {part} | {each:.0f} |" for part, each in found.items()))


if __name__ == "__main__":
    main()
