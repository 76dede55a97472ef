"""The networks of an extraction in one of the processes that share it."""

from __future__ import annotations

import socket

import torch

from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.extraction.backends import build_estimator, build_rgb
from heatpool.pipelines.extraction.decoder import pick_decoder
from heatpool.pipelines.extraction.given import read_given
from heatpool.pipelines.extraction.shards import Networks
from heatpool.pipelines.extraction.versions import versions_at_work
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pool.store.versions import Versions, check_versions

__all__ = ["build_in_worker"]


def build_in_worker(
    options: ExtractOptions, manifest: Manifest, planned: Versions, threads: int, number: int
) -> Networks:
    """Build the networks in a worker, which has its share of the cores and one of the GPUs.

    Args:
        options: whose choices are made.
        manifest: what a file of boxes or keypoints is read for.
        planned: versions of packages in the process that shares out the work.
        threads: of the CPU.
        number: of the worker on its machine.

    Raises:
        HeatpoolError: if the versions here are known to make other features, the networks do not load, or
            the GPU does not decode as `--decoder` asks for.
    """
    versions = versions_at_work(options)
    makers = {"the run": planned, f"worker on {socket.gethostname()}": versions}
    check_versions(makers, backbone=options.backend, mixed=options.mixed_versions)
    set_threads(threads)
    device = pick_device(options.device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", number % torch.cuda.device_count())
    estimator, _ = build_estimator(options, read_given(options, manifest), device=device)
    rgb = build_rgb(options, device=device)
    return Networks(estimator, versions, rgb, gpu=pick_decoder(options, device))
