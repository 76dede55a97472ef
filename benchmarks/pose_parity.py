"""Our crops and joints against the packages that the pose networks come from; see docs/networks.md.

Usage: python -m benchmarks.pose_parity [--persons 88] [--golden tests/golden/pose_homes.json]

Packages that are not installed are named and left out:

    pip install rtmlib mmpose mmengine mmcv-lite      # and what these ask for; mmpose needs no mmcv operators
    git clone https://github.com/leoxiaobin/deep-high-resolution-net.pytorch; export PYTHONPATH=CLONE/lib
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.pose_homes import CASES, Case, golden_persons, joints_of_heatpool, joints_of_home
from tests.fixtures.ideal_pose import Person, make_persons


def _row(case: Case, persons: Sequence[Person], folder: Path) -> str:
    """Return a row of the table; raises ImportError without the package."""
    dots = np.array([person.dots_xy_px for person in persons])
    if case.given.colours == "bgr":
        dots = dots[:, ::-1]
    parts = []
    for lopsided in (False, True):
        path = replace(case.network, lopsided=lopsided).save(folder / "pose.onnx")
        theirs, ours = joints_of_home(case, path, persons), joints_of_heatpool(path, case.given, persons)
        apart = np.linalg.norm(ours - theirs, axis=2)
        parts += [f"{apart.max():.1g}", f"{np.median(apart):.1g}"]
        if not lopsided:
            errors = [np.median(np.linalg.norm(each - dots, axis=2)) for each in (ours, theirs)]
    cells = [case.package, _version(case.package), case.title, str(dots[..., 0].size), *parts]
    return f"| {' | '.join([*cells, *(f'{error:.2g}' for error in errors)])} |"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "a clone"


def _write_golden(path: Path, folder: Path) -> None:
    """Write what each home finds in the golden persons, by a network whose peaks are lopsided."""
    golden = {}
    for case in (each for each in CASES if not each.differs):
        file = replace(case.network, lopsided=True).save(folder / "golden.onnx")
        joints = joints_of_home(case, file, golden_persons())
        version = _version(case.package)
        golden[case.name] = {"version": version, "joints_xy_px": joints.round(3).tolist()}
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--persons", type=int, help="at most as many; default all")
    parser.add_argument(
        "--golden", type=Path, help="write what the homes find in a few; all must be installed"
    )
    options = parser.parse_args()
    persons = make_persons(options.persons)
    print(
        f"{len(persons)} persons of 50 to 1,000 px. Apart: largest and median distance of the joints, in\n"
        "pixels of the frame, for Gaussian and lopsided peaks. Off: median distance from what was shown.\n"
    )
    print("| home | version | what | joints | apart | | lopsided | | heatpool off | home off |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        missing = {}
        for case in CASES:
            try:
                print(_row(case, persons, Path(name)), flush=True)
            except ImportError as error:
                missing[case.package] = str(error)
        for case in CASES:
            if case.differs:
                print(f"\n{case.name} is not followed: {case.differs}")
        for package, reason in missing.items():
            print(f"{package} left out: {reason}")
        if options.golden:
            _write_golden(options.golden, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
