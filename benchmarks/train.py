"""Training and evaluation speed of CTR-GCN against the published forward pass, operation by operation.

Usage: python -m benchmarks.train [--batch 16] [--repeats 3] [--threads N] [--persons 1 2] [--bfloat16]

Published configuration: width 64, ten layers, 64 steps, 17 joints, 192 pooled channels, 60 classes, two
slots. `heatpool train` does three things otherwise than the published script: malloc keeps freed memory, only
persons that are there are computed, and the kernels are its own. The rows say what each of them gives. Each
side has a process of its own, the same weights and the same batch, and they take turns. Clips of one person:
the published loader copies the person into the second slot and the published module computes both slots; the
logits are then the same. A training step is forward, loss, backward and SGD with Nesterov momentum. The share
is that of the rate of a plain float32 matrix product in the same run. --bfloat16 adds a row of `--dtype
bfloat16`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.networks.graph import HPNET_GRAPH, PUBLISHED_LAYERS
from heatpool.classify.networks.graphconv import relation_channels
from heatpool.classify.networks.plain import plain_forward
from heatpool.pipelines.process.malloc import keep_heap

STEPS, JOINTS, CHANNELS, CLASSES, SLOTS, WIDTH, SUBSETS = 64, 17, 192, 60, 2, 64, 3

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Side:
    """A way to compute the network.

    Attributes:
        name: in the table.
        heap: malloc keeps freed memory, as in `heatpool train`.
        packed: only persons that are there.
        kernels: ours; otherwise the published operations.
        bfloat16: mixed precision.
    """

    name: str
    heap: bool = False
    packed: bool = False
    kernels: bool = False
    bfloat16: bool = False


SIDES = (
    Side("published"),
    Side("published, our malloc", heap=True),
    Side("published, our malloc, packed", heap=True, packed=True),
    Side("our kernels alone", kernels=True),
    Side("our malloc and kernels", heap=True, kernels=True),
    Side("heatpool: all three", heap=True, packed=True, kernels=True),
)
BFLOAT16 = Side("heatpool, bfloat16", heap=True, packed=True, kernels=True, bfloat16=True)


def flops(*, published: bool, training: bool) -> float:
    """Count the multiplications and additions of all products of one person, 2 per pair.

    The backward pass takes each product twice, once per factor. Ours takes the mean over time before the
    relations' convolutions, and makes the topology again in the backward pass.
    """
    total, steps = 0.0, STEPS
    widths = [CHANNELS, *(WIDTH * multiple for multiple, _ in PUBLISHED_LAYERS)]
    for (before, after), (_, stride) in zip(pairwise(widths), PUBLISHED_LAYERS, strict=True):
        relations, rows, thin = relation_channels(before), JOINTS * steps, JOINTS * steps // stride
        pairs = 2 * relations * before * JOINTS * (steps if published else 1)
        topology = after * relations * JOINTS**2
        graph = SUBSETS * (pairs + topology + after * before * rows + after * JOINTS * rows)
        quarter = after // 4
        times = 3 * quarter * after * rows + (quarter * after + 2 * 5 * quarter**2) * thin
        down = after * before * rows if before != after else 0
        residual = after * before * thin if before != after and before != CHANNELS else 0
        total += 2 * (graph + times + down + residual) * (3 if training else 1)
        total += 2 * SUBSETS * topology if training and not published else 0
        steps //= stride
    return total


def matrix_rate() -> float:
    """Return the float32 operations a second of a plain product of large matrices, best of five."""
    one = torch.randn(2048, 2048)
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        one @ one
        seconds.append(time.perf_counter() - begun)
    return 2 * 2048**3 / min(seconds)


def model_of_all(slots: int) -> CTRGCN:
    """Return the module with the weights and running statistics that all sides have.

    Weights that start at zero are moved away from it, and the norms have seen a batch: without, activations
    would grow from layer to layer in evaluation until the logits' difference tells of rounding alone.
    """
    torch.manual_seed(0)
    adjacency = torch.from_numpy(HPNET_GRAPH.adjacency())
    ours = CTRGCN(CHANNELS, CLASSES, adjacency=adjacency, persons=SLOTS, width=WIDTH)
    for name, tensor in ours.named_parameters():
        if name.endswith(("alpha", "gcn1.bn.weight")):
            nn.init.constant_(tensor, 0.5)
    norms = [each for each in ours.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    ours.train()(torch.randn(4, SLOTS, STEPS, JOINTS, CHANNELS), torch.ones(4, SLOTS, dtype=torch.bool))
    for norm in norms:
        norm.momentum = 0.1
    ours.persons, ours.data_bn = slots, nn.BatchNorm1d(slots * JOINTS * CHANNELS)  # alike for all slots
    return ours


def stepper(model: nn.Module, forward: Callable[[], Tensor], labels: Tensor) -> Callable[[], Tensor]:
    """Return a function that does one training step."""
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, nesterov=True, weight_decay=4e-4)

    def step() -> Tensor:
        loss = nn.functional.cross_entropy(forward(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    return step


def work(pipe: Connection, side: Side, persons: int, batch: int, threads: int) -> None:
    """Be one side, in a process of its own: first send the logits, then do a step at each word that comes.

    Each word says whether the step is one of training; (wall, CPU) seconds are sent back.
    """
    torch.set_num_threads(threads)
    if side.heap:
        keep_heap()
    torch.manual_seed(1)
    x = torch.randn(batch, SLOTS, STEPS, JOINTS, CHANNELS)
    if persons == 1:
        x[:, 1] = x[:, 0]
    slots = persons if side.packed else SLOTS
    x, labels, model = x[:, :slots].clone(), torch.arange(batch) % CLASSES, model_of_all(slots)
    present = torch.ones(batch, slots, dtype=torch.bool)

    def forward() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=side.bfloat16):
            return model(x, present) if side.kernels else plain_forward(model, x)

    for training in (False, True):  # training moves the norms' statistics
        with torch.no_grad():
            model.train(training)
            pipe.send(forward().float().numpy())

    step = stepper(model, forward, labels)
    while (training := pipe.recv()) is not None:
        model.train(training)
        wall, cpu = time.perf_counter(), time.process_time()
        if training:
            step()
        else:
            with torch.no_grad():
                forward()
        pipe.send((time.perf_counter() - wall, time.process_time() - cpu))


def compare(persons: int, arguments: argparse.Namespace, rate: float) -> None:
    """Print the rows of clips with so many persons."""
    different: dict[tuple[bool, ...], Side] = {}
    for side in SIDES:  # where all slots are filled, packing leaves nothing out
        different.setdefault((side.heap, side.packed and persons < SLOTS, side.kernels), side)
    sides = [*different.values(), *[BFLOAT16] * arguments.bfloat16]
    context = get_context("spawn")
    pipes, processes = [], []
    for side in sides:
        mine, theirs = context.Pipe()
        words = (theirs, side, persons, arguments.batch, arguments.threads)
        processes.append(context.Process(target=work, args=words, daemon=True))
        processes[-1].start()
        pipes.append(mine)
    logits = [[pipe.recv() for _ in range(2)] for pipe in pipes]
    for number, training in enumerate((False, True)):
        errors = [_difference(of_side[number], logits[0][number]) for of_side in logits]
        seconds: list[list[tuple[float, float]]] = [[] for _ in sides]
        for _ in range(arguments.repeats + 1):
            for pipe, done in zip(pipes, seconds, strict=True):
                pipe.send(training)
                done.append(pipe.recv())
        head = f"| {persons} | {'training' if training else 'evaluation'} |"
        computed = [
            arguments.batch
            * (persons if side.packed else SLOTS)
            * flops(published=not side.kernels, training=training)
            for side in sides
        ]
        # the first repeat does not count
        rows(head, arguments.batch, sides, [done[1:] for done in seconds], computed, rate, errors)
        wrong = [error for side, error in zip(sides, errors, strict=True) if not side.bfloat16]
        if max(wrong) > TOLERANCE:
            raise SystemExit(f"expected logits equal to {TOLERANCE:.0e} of the largest, got {max(wrong):.1e}")
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join()


def _difference(ours: np.ndarray, published: np.ndarray) -> float:
    return float(np.abs(published - ours).max() / np.abs(published).max())


def rows(
    head: str,
    batch: int,
    sides: Sequence[Side],
    seconds: list[list[tuple[float, float]]],
    work: list[float],
    rate: float,
    errors: Sequence[float],
) -> None:
    """Print one row a side; ratios are over the first one."""
    best = [min(wall for wall, _ in mine) for mine in seconds]
    median = [statistics.median(wall for wall, _ in mine) for mine in seconds]
    cpu = [min(spent for _, spent in mine) for mine in seconds]
    for at, side in enumerate(sides):
        ratios = " | ".join(f"{each[0] / each[at]:.2f}" for each in (best, median, cpu))
        share = work[at] / best[at] / rate
        counted = f"{work[at] / 1e9:.0f} | {share:.0%}"
        print(
            f"{head} {side.name} | {batch / best[at]:.1f} | {ratios} | {counted} | {errors[at]:.1e} |",
            flush=True,
        )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="clips")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--persons", type=int, nargs="+", default=[1, 2], choices=[1, 2], help="in each clip")
    parser.add_argument("--bfloat16", action="store_true", help="a row of --dtype bfloat16 besides")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rate = matrix_rate()
    print(f"{arguments.threads} threads, batch {arguments.batch}, matrix product {rate / 1e9:.0f} GFLOP/s")
    print(
        "| people | pass | side | clips/s (best) | ratio (best) | (median) | (CPU) "
        "| GFLOP | of the matrix rate | difference |\n" + "|---" * 10 + "|"
    )
    for persons in arguments.persons:
        compare(persons, arguments, rate)


if __name__ == "__main__":
    main()
