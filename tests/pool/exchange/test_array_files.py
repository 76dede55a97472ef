from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.foreign import read_score_parts
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.array_files import array_heads, read_array, stream_array
from heatpool.pool.exchange.npz import import_npz
from heatpool.pool.exchange.published import import_published

VALUES = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_heads_come_before_values(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(VALUES))
    np.savez_compressed(tmp_path / "a.npz", values=VALUES, names=np.array(["a", "b"]))
    heads = array_heads(tmp_path / "a.npz")
    assert {name: (head.shape, head.is_numeric) for name, head in heads.items()} == {
        "values": ((4, 6), True), "names": ((2,), False),
    }  # fmt: skip
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), VALUES)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "values"), VALUES)
    with stream_array(tmp_path / "a.npz", "values") as (head, file):
        assert (head.shape, np.frombuffer(file.read(8), head.dtype).tolist()) == ((4, 6), [0, 1])


def test_what_is_none_or_too_large_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(["a", "b"]))
    with pytest.raises(HeatpoolError, match=r"at most 268,435,456 real numbers, got <U1 \(2,\)"):
        read_array(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", a=VALUES)
    with pytest.raises(HeatpoolError, match="cannot be read as NumPy arrays .*no item named 'b.npy'"):
        read_array(tmp_path / "a.npz", "b")
    with (tmp_path / "b.npy").open("wb") as file:  # a claim of 8 TB
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
        )
    with pytest.raises(HeatpoolError, match="at most 268,435,456"):
        read_array(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("good", "bad"),
    [(b"(4, 6), }", b"(4, 6), ("), (b"'<f4'", b"'04,'"), (b"NUMPY\x01", b"NUMPY\x09"), (b"\n", b"")],
)
def test_damage_of_a_head_is_one_line_everywhere(tmp_path: Path, good: bytes, bad: bytes) -> None:
    """Numpy raises a SyntaxError or a TokenError for some, which are no ValueError."""
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    path.write_bytes(path.read_bytes().replace(good, bad, 1))
    with pytest.raises(HeatpoolError, match=r"a\.npy: cannot be read as NumPy arrays"):
        array_heads(path)
    with pytest.raises(HeatpoolError, match=r"a\.npy: cannot be read as an \.npy array"):
        import_published(tmp_path, tmp_path / "s.zarr")
    (tmp_path / "a_name.txt").write_text("a\nb\nc\nd\n")
    with pytest.raises(HeatpoolError, match="a.npy: cannot be read as NumPy arrays"):
        read_score_parts([path])
    np.savez(tmp_path / "a.npz", heatpool=np.array("{}"), x=VALUES)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes().replace(good, bad, 1))
    with pytest.raises(HeatpoolError):
        import_npz(tmp_path / "a.npz", tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()
