"""`xarray.open_dataset(place, engine="heatpool")`: found by xarray through the entry point in setup.cfg."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray
from xarray.backends import BackendEntrypoint

from heatpool.pool.store.reader import open_store

__all__ = ["HeatpoolBackend"]


class HeatpoolBackend(BackendEntrypoint):
    """Opens feature stores of every precision, archives and addresses with named axes, decoded when read."""

    description = "Feature stores and archives of heatpool"

    def open_dataset(  # type: ignore[override]
        self, filename_or_obj: str | Path, *, drop_variables: str | Iterable[str] | None = None
    ) -> xarray.Dataset:
        """Return what `FeatureStore.to_xarray` returns, without `drop_variables`.

        Raises:
            HeatpoolError: if there is no heatpool feature store.
        """
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return open_store(filename_or_obj).to_xarray().drop_vars(dropped)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is an archive by its name; a store's folder is left to xarray's own Zarr engine."""
        return isinstance(filename_or_obj, str | Path) and str(filename_or_obj).endswith(".hpz")
