"""What the processes of a training exchange, through NCCL on GPUs and Gloo on CPUs.

Usage: torchrun --nproc_per_node 1 -m benchmarks.gpu_processes [--device cuda]

`heatpool train` exchanges nothing where there is one process, so this does what several do: gradients of a
wrapped network, sums in float64, buffers of whole numbers, a barrier. One alone gets back what it gave.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

import torch
import torch.distributed as exchange
from torch import nn


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(arguments)
    on_gpu = options.device == "cuda"
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    exchange.init_process_group("nccl" if on_gpu else "gloo")
    try:
        seconds = exchanged(device)
    finally:
        exchange.destroy_process_group()
    print("| backend | processes | MB of gradients | ms a step | exchanged |\n|---|---|---|---|---|")
    backend = "nccl" if on_gpu else "gloo"
    print(f"| {backend} | {os.environ.get('WORLD_SIZE', '1')} | 16.8 | {1000 * seconds:.1f} | as given |")


def exchanged(device: torch.device) -> float:
    """Exchange all kinds of tensors, check them, and return the seconds of a step of 16.8 MB.

    Raises:
        AssertionError: if something did not come back as it was given.
    """
    torch.manual_seed(0)
    network = nn.Linear(2048, 2048, bias=False).to(device)
    gpus = [device] if device.type == "cuda" else None
    wrapped = nn.parallel.DistributedDataParallel(network, device_ids=gpus)
    x = torch.randn(8, 2048, device=device)
    wanted = torch.autograd.grad(network(x).square().mean(), network.weight)[0]
    with wrapped.no_sync():
        wrapped(x).square().mean().backward()
    network.zero_grad()
    begun = time.perf_counter()
    for _ in range(5):
        network.zero_grad()
        wrapped(x).square().mean().backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - begun) / 5
    assert network.weight.grad is not None
    torch.testing.assert_close(network.weight.grad, wanted)
    count = exchange.get_world_size()
    sums = torch.tensor([1.5, 2.0], dtype=torch.float64, device=device)
    exchange.all_reduce(sums)
    assert sums.tolist() == [1.5 * count, 2.0 * count], sums
    batches = torch.tensor(7, device=device)  # of a batch norm
    exchange.broadcast(batches, src=0)
    assert int(batches) == 7
    exchange.barrier()
    return seconds


if __name__ == "__main__":
    main()
