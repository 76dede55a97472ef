"""What decides speed and float noise on this machine, for `env.json` of a run and `run.json` of a store."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from heatpool.pipelines.process.device import available_cores

__all__ = ["machine"]


def machine() -> dict[str, Any]:
    """Return processor, cores, GPUs and versions."""
    import torch

    return {
        "processor": _processor(),
        "cores": available_cores(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
