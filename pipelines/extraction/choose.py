"""Which networks run when the user leaves the choice open."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from heatpool.extract.networks.weight_sources import DETECTORS, POSE_WEIGHTS, WeightSource, known_weights
from heatpool.pipelines.extraction.choose_runtime import choose_runtime
from heatpool.pipelines.extraction.weights_fetch import (
    NotFetchedError,
    fetch_first,
    fetch_weights,
    has_connection,
)
from heatpool.pipelines.extraction.weights_loading import infer_backend
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pipelines.options import NetworkOptions
from heatpool.pipelines.options.networks import Backend, Dtype
from heatpool.pool.errors import HeatpoolError

__all__ = ["BACKEND_ORDER", "NO_DETECTOR", "choose_networks", "usual_frame_batch"]

_log = logging.getLogger(__name__)

BACKEND_ORDER: tuple[Backend, ...] = ("yolo-pose", "vitpose", "hrnet-simcc")
"""What is chosen first, for speed: one pass over a frame, then two networks, then two with the slower pose
network. onnx is never chosen: it has no official file and needs a tap."""

NO_DETECTOR = "none"
"""The detector of a backend that finds persons itself."""

# What is fetched where nothing is available locally, the first one that can be had. First the middle between
# the smallest, which costs 14 AP against it on keypoints, and the large ones, which take several times as
# long on a CPU; then the one that a package index has, too.
_FETCHED = {
    "yolo-pose": ("yolo26s-pose.pt", "yolo11n-pose.pt"),
    "vitpose": ("usyd-community/vitpose-base-simple",),
}
_FETCHED_DETECTORS = ("yolo26s.pt", "yolo11n-pose.pt")
_NAMED_DETECTORS = ("tiny", "full-frame", "boxes-file", NO_DETECTOR)

O = TypeVar("O", bound=NetworkOptions)  # noqa: E741 - options


def choose_networks(
    options: O,
    *,
    demo: bool,
    device: str,
    search_path: WeightsSearchPath | None = None,
    online: Callable[[str], bool] = has_connection,
) -> O:
    """Resolve what is left to automatic choice; see the help of --backend, --detector, --dtype and --runtime.

    The tiny networks know rendered people only: they are chosen for the demo set and have to be named for
    anything else. Each choice is logged with its reason. Weights that are not available locally are fetched
    here, once, and not by every worker.

    Args:
        options: of the command.
        demo: whether the videos are the demo set.
        device: kind of device that the networks run on: cpu, cuda or mps.
        search_path: where weights are looked for; by default the places of this machine.
        online: asked with an address before weights are fetched from there.

    Returns:
        The options with `backend`, `weights`, `detector`, `dtype`, `runtime` and `frame_batch` resolved; the
        detector is `NO_DETECTOR` for a backend without one.

    Raises:
        HeatpoolError: if nothing can be chosen, official weights can or may not be fetched, weights are of no
            pose network, or the backend does not know the dtype or runtime.
    """
    path = search_path or WeightsSearchPath.of_machine()
    backend, weights, detector = _Chooser(options, path, online, demo).choose()
    options = replace(options, backend=backend, weights=weights, detector=detector)
    # Decided here and nowhere else, so that workers and the store's record cannot differ.
    options = replace(options, dtype=_dtype(options, device))
    options = replace(options, runtime=choose_runtime(options, device))
    return replace(options, frame_batch=options.frame_batch or usual_frame_batch(options.backend, device))


def usual_frame_batch(backend: str, device: str) -> int:
    """Return how many frames are looked at together: on a CPU so few that caches hold most of their maps."""
    return 8 if device == "cpu" and backend != "tiny" else 32


def _dtype(options: NetworkOptions, device: str) -> Dtype:
    asked = options.dtype
    if options.backend == "onnx" and asked == "bfloat16" and options.runtime in ("openvino", "auto"):
        return asked
    if options.backend in ("tiny", "onnx") or options.batchnorm == "published":
        if asked not in ("auto", "float32"):
            raise HeatpoolError(
                "expected --dtype float32 with --backend tiny, with --backend onnx (bfloat16 with --runtime "
                f"openvino) and with --batchnorm published, got {asked}"
            )
        return "float32"
    return asked if asked != "auto" else "float16" if device == "cuda" else "float32"


class _Chooser:
    def __init__(
        self, options: NetworkOptions, path: WeightsSearchPath, online: Callable[[str], bool], demo: bool
    ) -> None:
        self._options, self._path, self._demo = options, path, demo
        self._answers: dict[str, bool] = {}
        self._ask = online
        self._tried: list[str] = []

    def choose(self) -> tuple[Backend, str | None, str]:
        """Return backend, weights and detector."""
        options = self._options
        detector = "boxes-file" if options.detector == "auto" and options.boxes else options.detector
        weights = self._located(options.weights) if options.weights else None
        backend = options.backend
        _check_detector(backend, detector)
        if backend == "auto" and weights:
            backend = infer_backend(weights)
            _log.info(f"--backend {backend}: {weights} is of it")
        elif backend == "auto" and self._demo:
            backend = "tiny"
        elif backend == "auto":
            backend, weights = self._best_backend(self._fitting(detector))
        elif backend in BACKEND_ORDER and not weights:
            backend, weights = self._best_backend((backend,))
        return backend, weights, self._detector(backend, detector)

    def _fitting(self, detector: str) -> Sequence[Backend]:
        """Return the backends that have what the other options ask for, best first."""
        options = self._options
        if options.batchnorm == "published":
            return BACKEND_ORDER[2:]
        one_stage = detector == "auto" and options.pooling == "point" and options.crop_aspect == "model"
        return BACKEND_ORDER if one_stage else BACKEND_ORDER[1:]

    def _best_backend(self, backends: Sequence[Backend]) -> tuple[Backend, str]:
        for fetch in (False, True):
            for backend in backends:
                weights = self._weights(backend, f"--backend {backend}", fetch=fetch)
                if weights:
                    return backend, weights
        of = f" of {backends[0]}" if len(backends) == 1 else ""
        raise HeatpoolError(
            f"expected --weights{of}: none are available locally and none can be fetched ({self._why_not()})"
            "; heatpool weights list says which there are, and where to put them"
        )

    def _why_not(self) -> str:
        if not self._options.fetch:
            return "--no-fetch"
        return "; ".join(dict.fromkeys(self._tried)) or "publishers give them by hand only"

    def _weights(self, backend: str, what: str, *, fetch: bool) -> str | None:
        if backend == "vitpose" and find_spec("transformers") is None:
            self._tried.append("vitpose needs the extra [hf]")
            return None
        if fetch:
            return self._fetched(_FETCHED.get(backend, ()))
        return self._best_local([each for each in POSE_WEIGHTS if each.backend == backend], what)

    def _best_local(self, sources: Sequence[WeightSource], what: str) -> str | None:
        for source in sorted(sources, key=lambda each: -(each.ap or 0.0)):
            place = self._path.find_source(source)
            if place:
                known = f", {source.ap:.1f} AP" if source.ap else ""
                _log.info(f"{what}: {source.name} is in {place.parent.resolve()}{known}")
                return str(place)
        return None

    def _fetched(self, names: Sequence[str]) -> str | None:
        """Fetch the first of some official weights that can be had; None where none can or may."""
        if not (names and self._options.fetch):
            return None
        try:
            quiet, sources = self._options.quiet, [known for name in names if (known := known_weights(name))]
            return str(fetch_first(sources, search_path=self._path, online=self._online, quiet=quiet))
        except NotFetchedError as error:
            self._tried += error.reasons
            return None

    def _online(self, url: str) -> bool:
        """Ask a host once: one that does not answer takes seconds to say so."""
        host = urlsplit(url).netloc
        if host not in self._answers:
            self._answers[host] = self._ask(url)
        return self._answers[host]

    def _detector(self, backend: str, detector: str) -> str:
        _check_detector(backend, detector)
        if backend == "yolo-pose":
            return NO_DETECTOR
        if self._options.keypoints:
            return "boxes-file"
        if detector != "auto":
            return detector if detector in _NAMED_DETECTORS else self._located(detector)
        if self._demo:
            return "tiny"
        posing = [each for each in POSE_WEIGHTS if each.backend == "yolo-pose"]
        found = (
            self._best_local(DETECTORS, "--detector")
            or self._best_local(posing, "--detector")
            or self._fetched(_FETCHED_DETECTORS)
        )
        if not found:
            raise HeatpoolError(
                "expected --detector: no person detector is available locally and none can be fetched "
                f"({self._why_not()}); heatpool weights list says which there are; or boxes-file with "
                "--boxes boxes.csv, or full-frame for clips that are cut out already"
            )
        return found

    def _located(self, weights: str) -> str:
        """Return the path of weights that were given by name; a name that is not ours is for the loader."""
        if Path(weights).exists():
            return weights
        place = self._path.find(weights) if weights.count("/") < 2 else None
        if place is not None:
            return str(place)
        if not self._options.fetch:
            raise HeatpoolError(
                f"expected weights that are available locally with --no-fetch, got {weights} (looked in "
                f"{self._path.describe()})"
            )
        if known_weights(weights) is None:
            return weights
        quiet = self._options.quiet
        return str(fetch_weights(weights, search_path=self._path, online=self._online, quiet=quiet))


def _check_detector(backend: str, detector: str) -> None:
    if backend == "yolo-pose" and detector not in ("auto", NO_DETECTOR):
        raise HeatpoolError(
            f"expected no --detector with --backend yolo-pose, which finds persons, got {detector}"
        )
