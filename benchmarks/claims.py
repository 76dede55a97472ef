"""What every command does with files that claim far more than they hold (docs/claims.md).

Usage: python -m benchmarks.claims [--only store,manifest] [--write docs/claims.md]

Each command is a process of its own with at most 8 GiB of addresses and 30 s; a stand-in is a few megabytes.
 Exit code 1 if a command ends by a traceback, is ended after 30 s, or takes more than 1 GB or 10 s.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.blocks import replace_block
from benchmarks.claims_cases import claims
from benchmarks.claims_files import Claim
from benchmarks.outcomes import Outcome, run
from benchmarks.readers import make_store


def row(claim: Claim, outcome: Outcome, folder: Path) -> str:
    """A line of the table."""
    return f"| {claim.kind} | {claim.says} | {claim.words[0]} | {outcome.cells(folder)} |"


def measure(folder: Path, only: Sequence[str]) -> tuple[list[str], int]:
    """Rows of the table, and how many are not as they should be."""
    store = folder / "store.zarr"
    make_store(store)
    trained = ("train", str(store), str(folder / "run"), "--model", "linear", "--epochs", "1")
    made = run((*trained, "--threads", "1", "--streams", "pooled_joint"), folder)
    if made.code:
        raise SystemExit(f"cannot train: {made.errors[-1:]}")
    (folder / "claims").mkdir()
    made_claims = claims(folder / "claims", store, folder / "run")
    wanted = [each for each in made_claims if not only or each.kind.startswith(tuple(only))]
    rows, wrong = [], 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = pool.map(lambda claim: run(claim.words, folder), wanted)
        for claim, outcome in zip(wanted, outcomes, strict=True):
            rows.append(row(claim, outcome, folder / "claims"))
            wrong += not outcome.good
            print(rows[-1], "" if outcome.good else " <-- WRONG", file=sys.stderr, flush=True)
    return rows, wrong


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="kinds of file with commas; default all")
    parser.add_argument("--write", type=Path, help="page whose block `claims` the table replaces")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows, wrong = measure(Path(name), options.only.split(",") if options.only else [])
    head = "| file | what it claims | command | exit | line | MB | s |\n|---|---|---|---|---|---|---|\n"
    table = "    python -m benchmarks.claims\n\n" + head + "\n".join(rows)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(replace_block(page, "claims", table), encoding="utf-8")
    else:
        print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
