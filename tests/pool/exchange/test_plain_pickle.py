from __future__ import annotations

import codecs
import copyreg
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.plain_pickle import dump_plain_pickle, load_plain_pickle, plain_array

ARRAYS = npst.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.bool_, ">f4", "<U5"]),
    npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
CONTAINERS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
)


def load(tmp_path: Path, data: bytes) -> Any:
    (tmp_path / "x.pkl").write_bytes(data)
    return load_plain_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "an empty file"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"\x93NUMPY\x01", "a NumPy array"),
        (b"PK\x03\x04", "a spreadsheet or an archive"),
        (b"\x80\x04\x95", r"a damaged one \("),
    ],
)
def test_what_is_no_pickle_is_said(tmp_path: Path, data: bytes, got: str) -> None:
    with pytest.raises(HeatpoolError, match=f"expected a pickle of plain data, got {got}"):
        load(tmp_path, data)


@given(value=CONTAINERS, array=ARRAYS, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_comes_back_from_every_protocol(tmp_path_factory, value, array, protocol) -> None:
    folder = tmp_path_factory.mktemp("pickle")
    got = load(folder, pickle.dumps({"value": value, "array": array}, protocol))
    assert got["value"] == value
    back = plain_array(got["array"])
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    dump_plain_pickle([value, array], folder / "y.pkl")
    assert load_plain_pickle(folder / "y.pkl")[0] == value
    np.testing.assert_array_equal(plain_array(load_plain_pickle(folder / "y.pkl")[1]), array)
    np.testing.assert_array_equal(pickle.loads((folder / "y.pkl").read_bytes())[1], array)


def test_orders_scalars_and_sets(tmp_path: Path) -> None:
    value = [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float32(2.5), np.int64(-3), {1, 2}]
    fortran, number, count, group = load(tmp_path, pickle.dumps(value, 2))
    assert plain_array(fortran).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (number, count, group) == (2.5, -3, {1, 2})
    assert type(number) is float


def test_a_written_array_may_be_written_to(tmp_path: Path) -> None:
    dump_plain_pickle(np.zeros(3), tmp_path / "x.pkl")
    array = pickle.loads((tmp_path / "x.pkl").read_bytes())
    array[0] = 1
    data = (tmp_path / "x.pkl").read_bytes()
    assert b"numpy.core" not in data
    assert b"numpy._core" not in data  # which only numpy 2 has


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("evil", "named"),
    [
        (Call(os.system, "touch EVIL"), "posix.system"),
        (Call(subprocess.Popen, "ls"), "subprocess.Popen"),
        (Call(eval, "open('EVIL', 'w')"), "builtins.eval"),
        (Call(getattr, [], "append"), "builtins.getattr"),
        (Call(np.load, "x"), "numpy.load"),
        (Call(bytearray, 10**12), "a byte array without bytes"),
        (Call(codecs.encode, "x", "zlib"), "the codec 'zlib'"),
        (np.array([{}], object), "numpy values of type 'O8'"),
        (np.zeros(2, [("a", "O")]), "numpy values of type 'V8'"),
        (np.zeros(2, "V3"), "numpy values of type 'V3'"),
        (np.ma.zeros(2), "numpy.ma"),
        (Path("x"), "pathlib"),
        (copyreg, "nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_everything_else_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evil: object, named: str
) -> None:
    if evil is copyreg:  # an instruction that names an object outside the file
        data = b"\x80\x02X\x01\x00\x00\x00aQ."
        named = "an object outside the file"
    else:
        data = pickle.dumps({"annotations": [evil]})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HeatpoolError, match="refused, this pickle wants") as error:
        load(tmp_path, data)
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "EVIL").exists()


def _dtype(state: tuple) -> Call:
    class Dtype:
        def __reduce__(self) -> Any:
            return np.dtype, ("V8", False, True), state

    return Dtype()  # type: ignore[return-value]


@pytest.mark.parametrize(
    "data",
    [
        # A forged state would make numpy read 8 bytes of the file as a pointer.
        pickle.dumps(_dtype((3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0))),
        # A memo number of 2**31 makes the reader of the standard library ask for 32 GB.
        b"\x80\x02]r\xff\xff\xff\x7f.",
        # An array that claims more than its bytes hold.
        pickle.dumps(Call(np.ndarray, (10**6,), "<f8", b"12345678")),
        pickle.dumps([1, 2, 3])[:-4],
        b"",
        b"not a pickle",
        b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x.",
    ],
    ids=["dtype", "memo", "size", "cut", "empty", "text", "length"],
)
def test_forged_and_damaged_files_are_one_line(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(HeatpoolError) as error:
        load(tmp_path, data)
    assert "\n" not in str(error.value)


def test_a_file_cannot_change_the_reader(tmp_path: Path) -> None:
    # BUILD with a state of attributes on a function that the reader hands out.
    data = b"\x80\x02c_codecs\nencode\n}U\x01aK\x01sb."
    load(tmp_path, data)
    from heatpool.pool.exchange.plain_pickle import _encode

    assert not vars(_encode)


def test_plain_array_takes_numbers_only() -> None:
    assert plain_array([[1, 2]]).shape == (1, 2)
    with pytest.raises(ValueError, match="expected numbers"):
        plain_array({"a": 1})
    with pytest.raises(ValueError):
        plain_array([[1], [2, 3]])
