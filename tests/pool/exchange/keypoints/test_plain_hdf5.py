from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.plain_hdf5 import find_dataset, open_hdf5, read_texts, read_values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["numbers"] = np.arange(6.0).reshape(3, 2)
        file["texts"] = ["a", "ü"]
        file["fixed"] = np.array([b"a", b"b"])
        file["group/inner"] = 3
        file["soft"], file["away"] = h5py.SoftLink("/numbers"), h5py.ExternalLink("y.h5", "/x")
        file["nothing"] = h5py.Empty("f8")
        file.create_dataset("outside", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
        elsewhere = h5py.VirtualLayout((2,), "f8")
        elsewhere[:] = h5py.VirtualSource("y.h5", "x", (2,))  # without a source h5py 3.12 makes a plain one
        file.create_virtual_dataset("virtual", elsewhere)
        file.create_dataset("huge", (1 << 40,), "f8", chunks=(1024,))
    return tmp_path / "x.h5"


def test_what_is_there_is_read(path: Path) -> None:
    with open_hdf5(path) as file:
        assert read_values(file, "numbers", slice(1, 9)).tolist() == [[2, 3], [4, 5]]
        assert read_values(file, "group/inner").tolist() == 3
        assert read_values(file, "huge", slice(5, 7)).tolist() == [0, 0]
        assert (read_texts(file, "texts"), read_texts(file, "fixed")) == (("a", "ü"), ("a", "b"))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("none", "expected a dataset none, got none"),
        ("group", "expected a dataset group, got none"),
        ("soft", "refused, soft is a link"),
        ("away", "refused, away is a link"),
        ("outside", "refused, outside lies in another file"),
        ("virtual", "refused, virtual lies in another file"),
        ("huge", "refused, huge takes 8,192 GiB"),
        ("nothing", "expected numbers in nothing, got nothing"),
        ("texts", "expected numbers in texts, got object"),
    ],
)
def test_what_leads_elsewhere_or_is_too_large_is_refused(path: Path, name: str, line: str) -> None:
    with pytest.raises(HeatpoolError, match=line) as error, open_hdf5(path) as file:
        read_values(file, name)
    assert str(error.value).startswith(str(path))


def test_texts_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(name: str) -> Any:
        with open_hdf5(path) as file:
            return read_texts(file, name)

    with pytest.raises(HeatpoolError, match="expected texts in numbers, got float64"):
        read("numbers")
    module = "heatpool.pool.exchange.keypoints.plain_hdf5"
    monkeypatch.setattr(f"{module}._MOST_TEXT_BYTES", 1)
    with pytest.raises(HeatpoolError, match="refused, texts of more than 0 MiB in texts"):
        read("texts")
    monkeypatch.setattr(f"{module}._MOST_TEXTS", 1)
    with pytest.raises(HeatpoolError, match="refused, 2 texts in texts"):
        read("texts")


def test_a_link_in_a_path_is_refused(path: Path) -> None:
    with h5py.File(path.with_name("y.h5"), "w") as other, h5py.File(path, "r+") as file:
        other["inner"] = 3
        file["door"] = h5py.ExternalLink("y.h5", "/")
    with pytest.raises(HeatpoolError, match="refused, door/inner is a link"), open_hdf5(path) as file:
        find_dataset(file, "door/inner")
