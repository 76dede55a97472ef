"""All benchmarks one after the other, each in a process of its own; their tables go into docs/benchmarks.md.

Usage: python -m benchmarks [--only stages,train] [--videos ../shared/videos] [--list]

A benchmark prints Markdown tables. They replace what stands between `<!-- bench:NAME -->` and
`<!-- /bench -->`, with the command that made them; the prose around is kept. What cannot run here (no such
videos) or fails leaves its block as it was, and a line says so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.blocks import block_names, describe_machine, replace_block, tables

PAGE = Path("docs/benchmarks.md")


@dataclass(frozen=True)
class Bench:
    """One block of the page.

    Attributes:
        name: of the block.
        command: module below `benchmarks` and its arguments; `{videos}` stands for the folder of videos.
        needs: files or folders below the videos that must be there.
    """

    name: str
    command: str
    needs: tuple[str, ...] = ()


_NTU = "ntu/S001C001P001R001A001_rgb.avi"
_FIGHT = "fight/fight/fi080.mp4"
_RUNTIMES = "--runtimes torch openvino"

BENCHES: tuple[Bench, ...] = (
    Bench("startup", "startup"),
    Bench("stage_one", f"stage_one --video {{videos}}/{_NTU} --frames 100 300 {_RUNTIMES}", (_NTU,)),
    Bench("peers", f"peers --video {{videos}}/{_NTU} --frames 100 300 3000", (_NTU,)),
    Bench("runtimes", f"runtimes --video {{videos}}/{_NTU}", (_NTU,)),
    Bench("stages", f"stages --video {{videos}}/{_NTU}", (_NTU,)),
    Bench("occupancy", f"occupancy --video {{videos}}/{_NTU}", (_NTU,)),
    Bench("decode", f"decode {{videos}}/{_NTU} {{videos}}/{_FIGHT}", (_NTU, _FIGHT)),
    Bench("hrnet", "parity --speed --threads 2"),
    Bench("memory", "clip_memory"),
    Bench("workers", "workers"),
    Bench("tasks", "tasks --clips 1000000"),
    Bench("store", "store_codecs {videos}/ntu/published_features", ("ntu/published_features",)),
    Bench("scale", "scale --clips 1000000 --shards 5"),
    Bench("loader", "loader --clips 256 --batches 30"),
    Bench("train", "train --bfloat16"),
    Bench("predict", "predict --minutes 10"),
    Bench("demo", "demo"),
)


def measure(bench: Bench, videos: Path) -> str:
    """Run a benchmark; return the body of its block.

    Raises:
        RuntimeError: if it cannot run here, fails, or prints no table.
    """
    missing = [name for name in bench.needs if not (videos / name).exists()]
    module, *arguments = bench.command.format(videos=videos).split()
    if missing or not Path(__file__).with_name(f"{module}.py").exists():
        raise RuntimeError(f"no {videos / missing[0]}" if missing else f"no benchmarks/{module}.py")
    command = ["python", "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run([sys.executable, *command[1:]], stdout=subprocess.PIPE, text=True)
    found = tables(done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"it ended with exit code {done.returncode} and {len(found)} tables")
    return f"    {' '.join(command)}\n\n" + "\n\n".join(found)


def main() -> int:
    """Run from the command line; return 1 if a benchmark failed or could not run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="names with commas; default all")
    parser.add_argument("--videos", type=Path, default=Path("../shared/videos"), help="folder of real videos")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--list", action="store_true", help="print the names and what they run")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{bench.name:<10} {bench.command}" for bench in BENCHES))
        return 0
    names = options.only.split(",") if options.only else [bench.name for bench in BENCHES]
    known = [bench.name for bench in BENCHES]
    blocks = block_names(options.page.read_text(encoding="utf-8"))
    unknown = [name for name in names if name not in known or name not in blocks]
    if unknown:
        parser.error(
            f"expected names out of {', '.join(known)} with a block in {options.page}, got {unknown}"
        )
    write_block(options.page, "machine", describe_machine())
    begun, left_out = time.monotonic(), 0
    for bench in BENCHES:
        if bench.name not in names:
            continue
        started = time.monotonic()
        try:
            write_block(options.page, bench.name, measure(bench, options.videos))
        except RuntimeError as error:
            left_out += 1
            print(f"{bench.name}: {error}; its block stays as it was", file=sys.stderr)
        print(f"{bench.name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print(f"{options.page}: {time.monotonic() - begun:.0f} s in all", file=sys.stderr)
    return 1 if left_out else 0


def write_block(page: Path, name: str, body: str) -> None:
    """Replace a block of the page, which is read anew: people may edit it meanwhile."""
    page.write_text(replace_block(page.read_text(encoding="utf-8"), name, body), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
