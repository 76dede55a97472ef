"""Everything that is to be measured on a GPU, in one go and in bounded time; see docs/gpu.md.

Usage: benchmarks/gpu.sh [--out gpu.md] [--videos FOLDER] [--budget 600] [--only PART ...] [--dry-run]

Each part is a process with a time limit of its own; one that fails, or takes too long, is said and does not
end the others. What parts print as Markdown tables becomes the blocks of a page, in the form of those in
docs/benchmarks.md, with the command of each. The last line says how many parts gave tables; the exit code is
0 if all did. --dry-run takes tiny sizes, on the CPU.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.blocks import describe_machine, tables

NTU = "ntu/S001C001P001R001A001_rgb.avi"


@dataclass(frozen=True)
class Part:
    """Something that is measured.

    Attributes:
        name: of its block.
        seconds: that it may take.
        command: Python's arguments; `{clips}` stands for real videos, `{clip}` for the first of them.
        dry: those of a dry run.
    """

    name: str
    seconds: float
    command: str
    dry: str


_TESTS = "-m pytest -q -p no:cacheprovider -m gpu --timeout 60"
PARTS = (
    Part(
        "gpu_tests", 100, f"{_TESTS} tests/extract tests/classify tests/pipelines/extraction",
        f"{_TESTS} tests/extract/networks/runtime",
    ),
    Part(
        "gpu_networks", 100, "-m benchmarks.gpu_networks",
        "-m benchmarks.gpu_networks --dry-run --device cpu --batch 2 --seconds 0.01",
    ),
    Part(
        "gpu_engine", 110, "-m benchmarks.gpu_engine {clips}",
        "-m benchmarks.gpu_engine --dry-run --device cpu --clips 2 --threads 1 {clip}",
    ),
    Part(
        "gpu_stage_one", 160,
        "-m benchmarks.stage_one --device cuda --backends hrnet-simcc vitpose yolo-pose --frames 300 1000 "
        "--threads 8 --video {clip}",
        "-m benchmarks.stage_one --backends tiny --frames 8",
    ),
    Part(
        "gpu_train", 80, "-m benchmarks.gpu_train",
        "-m benchmarks.gpu_train --dry-run --device cpu --batch 2 --seconds 0.01",
    ),
    Part(
        "gpu_processes", 40,
        "-m torch.distributed.run --standalone --nproc_per_node 1 -m benchmarks.gpu_processes",
        "-m torch.distributed.run --standalone --nproc_per_node 1 -m benchmarks.gpu_processes --device cpu",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """How a part went: what it printed, where to, and what was wrong with it, "" if nothing."""

    said: str
    errors: str
    wrong: str


def carry_out(command: Sequence[str], *, seconds: float, environment: dict[str, str]) -> Done:
    """Run a command and what it starts; end all of it after so many seconds, and keep what it printed."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        said, errors = process.communicate(timeout=seconds)
        wrong = f"exit code {process.returncode}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, errors = process.communicate()
        wrong = f"not ready after {seconds:.0f} s"
    return Done(said, errors, wrong)


def results_of_tests(said: str) -> str:
    """Return what pytest said last, and which tests failed, as a table."""
    lines = said.splitlines()
    failed = [line.split(" ")[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    rows = [lines[-1].strip("= ") if lines else "nothing", *failed]
    return "| tests |\n|---|\n" + "\n".join(f"| {row} |" for row in rows)


def blocks(parts: Sequence[Part], options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Run the parts; yield the block of each as it is ready, and what was wrong with it."""
    clips = [path for path in (options.videos / NTU, *sorted(options.videos.glob("fight/fight/*.mp4"))[:7])]
    clips = [str(path) for path in clips if path.is_file()]
    environment = {} if options.dry_run else {"FAIL_WITHOUT_CUDA": "1"}
    ends = time.monotonic() + options.budget
    for part in parts:
        left = min(part.seconds, ends - time.monotonic())
        shown = (part.dry if options.dry_run else part.command).format(
            clips=" ".join(clips), clip=clips[0] if clips else "no-video"
        )
        begun = time.monotonic()
        if left <= 0:
            done = Done("", "", "no time was left")
        else:
            done = carry_out([sys.executable, *shown.split()], seconds=left, environment=environment)
        found = [results_of_tests(done.said)] if part.name == "gpu_tests" else tables(done.said)
        wrong = done.wrong or ("" if found else "no table")
        spent = f"{part.name}: {wrong or 'complete'}, {time.monotonic() - begun:.0f} s"
        more = (done.said + done.errors)[-3000:] if wrong else ""
        print(f"{spent}\n{more}".rstrip(), file=sys.stderr, flush=True)
        note = f"\n\nNot complete: {wrong}." if wrong else ""
        body = f"    python {shown}\n\n" + "\n\n".join(found) + note
        yield f"<!-- bench:{part.name} -->\n\n{body.rstrip()}\n\n<!-- /bench -->\n", wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return 1 if a part was not complete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.md"))
    parser.add_argument("--videos", type=Path, default=Path("../shared/videos"), help="folder of real videos")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds for all parts")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="default all")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    parts = [part for part in PARTS if not options.only or part.name in options.only]
    wrong = []
    with options.out.open("w", encoding="utf-8") as page:
        page.write(f"<!-- bench:gpu_machine -->\n\n{describe_machine()}\n\n<!-- /bench -->\n")
        for block, what in blocks(parts, options):
            page.write("\n" + block)
            page.flush()  # a machine may be taken away at any time
            wrong += [what] if what else []
    print(f"{options.out}: {len(parts) - len(wrong)} of {len(parts)} parts complete")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
