"""What a strange content raises is one line that names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from heatpool.extract.networks.onnx_file import read_onnx
from heatpool.pool.disk.files import hash_file
from heatpool.pool.disk.text_files import parsing, read_text, require_regular
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.skeleton_file import read_skeleton


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "RecursionError maximum recursion depth"),
        ('{"a"', "Expecting"),
        ("[1]", "TypeError"),
        ('{"b": 1}', "KeyError 'a'"),
        ('{"a": []}', "IndexError"),
        (None, "No such file or directory"),
    ],
)
def test_whatever_content_raises_names_its_file(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with (
        pytest.raises(HeatpoolError, match=f"^cannot read the run in {path}: {said}") as error,
        parsing(path, "read the run in"),
    ):
        json.loads(path.read_text())["a"][0]
    assert "\n" not in str(error.value)


def test_a_line_of_ours_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="^other classes$"), parsing(tmp_path, "read"):
        raise HeatpoolError("other classes")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(HeatpoolError, match=f"^expected a file, {place} is a pipe or a device$"):
            read_text(place)
    require_regular(tmp_path / "what is not there has a message of its own")
    for read in (hash_file, read_skeleton, read_onnx):  # tables, texts, weights: all by the same look
        with pytest.raises(HeatpoolError, match="pipe is a pipe or a device"):
            read(tmp_path / "pipe")
