"""A value of another kind anywhere in the JSON of a store or a run: no command ends by a traceback."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.disk.checksum_record import dump_record
from tests.pipelines.commands.test_accidents import ALL

_GONE, _NAN = object(), float("nan")
_VALUES = (None, [], {}, "x", -1, 1e308, 10**400, _NAN, True, [["a"]], {"a": {"b": 1}}, _GONE)
_OF_STORE = ("info", "verify", "train", "relabel", "convert", "forecast", "predict",
             *(f"archive {name}" for name in ("export", "card", "merge", "pack")))  # fmt: skip
_OF_RUN = ("evaluate", "predict", "fuse", "compare")
_STORE_FILES = (
    "zarr",
    "index",
    "finished",
    "run",
    "journal/0000000",
    "label/zarr",
    "clip_id/zarr",
    "pooled/zarr",
)
_RUN_FILES = ("summary", "fusion", "env", "pooled_joint/checkpoints/best")
_FILES = {f"features.zarr/{name}.json": _OF_STORE for name in _STORE_FILES} | {
    f"run/{name}.json": _OF_RUN for name in _RUN_FILES
}
"""Files, and the commands that read them."""


class Change(NamedTuple):
    """A value of a JSON file that is replaced, and the command that then meets it."""

    file: str
    place: tuple[str | int, ...]
    value: object
    command: str


def places(node: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where values stand, of a list the first two."""
    yield above
    items = node.items() if isinstance(node, dict) else enumerate(node[:2]) if isinstance(node, list) else ()
    for key, inner in items:
        yield from places(inner, (*above, key))


def changed(body: Any, change: Change) -> bytes:
    """The file with another value; a record of the journal with the digest that it then has."""
    new = deepcopy({"root": body})
    *above, last = ("root", *change.place)
    at: Any = new
    for key in above:
        at = at[key]
    if change.value is _GONE:
        del at[last]
    else:
        at[last] = change.value
    root = new.get("root", {})
    if "journal" in change.file and isinstance(root, dict):
        return dump_record({key: value for key, value in root.items() if key != "sha256"})
    return json.dumps(root).encode()


@pytest.fixture(scope="module")
def folder(brightness_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, two parts of it, and a run."""
    folder = shutil.copytree(brightness_run.parent, tmp_path_factory.mktemp("changed") / "in")
    store = str(folder / "features.zarr")
    for name in ("rise", "fall"):
        words = ["archive", "subset", store, str(folder / f"{name}.zarr"), "--classes", name, "--quiet"]
        assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def changes(folder: Path) -> list[Change]:
    """All changes of all files, in an order that is always the same and follows nothing.

    A record of the journal cannot hold NaN: nothing has its digest.
    """
    found = [
        Change(name, place, value, command)
        for name, commands in _FILES.items()
        for place in places(json.loads((folder / name).read_bytes()))
        for value in _VALUES
        for command in commands
        if not (value is _NAN and "journal" in name)
    ]
    random.Random(0).shuffle(found)
    return found


def try_all(changes: list[Change], folder: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    merged = "archive merge {in}/features.zarr {in}/rise.zarr --out {out}/x.zarr"
    for change in changes:
        path, name = folder / change.file, change.command
        words = merged if name == "archive merge" else f"{name} {ALL[name]}"
        whole = path.read_bytes()
        out.mkdir()
        capsys.readouterr()
        try:
            path.write_bytes(changed(json.loads(whole), change))
            code = main(words.format(**{"in": folder, "out": out}).split())
        except BaseException as error:
            raise AssertionError(change) from error
        finally:
            path.write_bytes(whole)
            shutil.rmtree(out)
        lines = capsys.readouterr().err.splitlines()
        assert code in (0, 1, 2, 3), change
        assert not any("Traceback" in line for line in lines), change
        assert code != 1 or name == "verify" or lines[-1].startswith(f"heatpool {name}: "), (change, lines)


def test_a_change_is_made_where_it_is_said() -> None:
    body = {"a": [{"b": 1}, 2, 3], "c": None}
    assert list(places(body)) == [(), ("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("c",)]
    assert json.loads(changed(body, Change("x.json", ("a", 0, "b"), [], "info")))["a"][0] == {"b": []}
    assert json.loads(changed(body, Change("x.json", ("a",), _GONE, "info"))) == {"c": None}


def test_some_values_of_another_kind(
    changes: list[Change], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One change at each place that is near the top, where what commands read stands."""
    near = {(each.file, each.place): each for each in changes if len(each.place) <= 2}
    few = [each for each in near.values() if "files" not in each.place[:1]]
    assert len(few) > 200
    try_all(few[::2], folder, tmp_path / "out", capsys)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_values_of_another_kind(
    changes: list[Change], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try_all(changes[:3_000], folder, tmp_path / "out", capsys)
