"""Over 300 damaged videos through the program: it goes on, clips have reasons, the others lose nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.video_mutations import FILMS, make_films, mutate
from tests.pipelines.program import run_program

MUTANTS = 320
SHARD = len(FILMS)
ARRAYS = ("pooled", "keypoints", "boxes", "mask", "time_s")
OPTIONS = (
    f"--backend tiny --detector tiny --steps 16 --device cpu --threads 1 --shard-clips {SHARD} "
    "--clip-seconds 30 --source fuzz --licence CC0-1.0"
).split()


def oddities(folder: Path) -> list[Path]:
    """Files that are no videos at all."""
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"this is not a film\n" * 40,
        "zeros.avi": bytes(20_000),
        "noise.mkv": np.random.default_rng(0).bytes(20_000),
        "one_byte.webm": b"\x1a",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "folder.mp4").mkdir()
    return [*(folder / name for name in contents), folder / "folder.mp4", folder / "missing.mp4"]


def write_manifest(path: Path, clips: dict[str, Path]) -> Path:
    rows = [f"{name},{video.relative_to(path.parent)},a" for name, video in clips.items()]
    path.write_text("\n".join(["clip_id,path,class_name", *rows]) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_hundred_damaged_videos(tmp_path: Path) -> None:
    films = make_films(tmp_path / "films")
    (tmp_path / "mutants").mkdir()
    damaged, made = dict[str, Path](), dict[str, str]()
    for mutant in mutate(films, count=MUTANTS, seed=7):
        path = tmp_path / "mutants" / mutant.name
        path.write_bytes(mutant.data)
        damaged[mutant.name] = path
        made[mutant.name] = f"{mutant.film}: {mutant.how}"
    damaged |= {path.name: path for path in oddities(tmp_path / "mutants")}

    def whole(turn: str) -> dict[str, Path]:
        return {f"whole {turn} {name}": path for name, path in films.items()}

    rows = list(damaged.items())
    clips = {
        **whole("first"),
        **dict(rows[: MUTANTS // 2]),
        **whole("middle"),
        **dict(rows[MUTANTS // 2 :]),
        **whole("last"),
    }
    out, plain = tmp_path / "all.zarr", tmp_path / "plain.zarr"
    listed = write_manifest(tmp_path / "all.csv", clips)
    done = run_program("extract", "--videos", listed, "--out", out, *OPTIONS, timeout_s=550)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert run_program("verify", out).returncode == 0
    store = FeatureStore.open(out)
    assert len(store) == MUTANTS + 7 + 3 * len(films)
    results = dict(zip(store.clips.index.clip_id, store.results(range(len(store))), strict=True))
    for name, result in results.items():
        what = f"{name}, {made.get(name)}: {result}"
        assert result.status != Status.PENDING, what
        assert (not result.reason) == (result.status == Status.OK), what
        assert "took more than" not in result.reason, what
        if name not in made and not name.startswith("whole"):
            assert result.status == Status.FAILED, what
    counts = Counter(result.status for name, result in results.items() if name in made)
    assert min(counts[status] for status in Status if status != Status.PENDING) > 5, counts

    alone = write_manifest(tmp_path / "alone.csv", whole("first"))
    assert run_program("extract", "--videos", alone, "--out", plain, *OPTIONS).returncode == 0
    expected = FeatureStore.open(plain).read(range(len(films)), ARRAYS)
    for turn in ("first", "middle", "last"):
        found = store.read([store.clips.index.clip_id.index(name) for name in whole(turn)], ARRAYS)
        for array in ARRAYS:
            if turn == "last":  # shares shards, and so batches, with damaged clips: sums in another order
                np.testing.assert_allclose(found[array], expected[array], rtol=2e-2, atol=2e-3)
            else:
                assert found[array].tobytes() == expected[array].tobytes(), (turn, array)
