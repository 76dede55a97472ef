"""The published features of a whole NTU clip, from video file to store, by the command line alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.pipelines.cli import main
from heatpool.pool.store.reader import FeatureStore
from tests.extract.networks.hrnet.hrnet_cases import paper_network
from tests.paths import SHARED

VIDEO = SHARED / "videos" / "ntu" / "S001C001P001R001A001_rgb.avi"


# Seen, as a share of the largest value: 3.5e-4 and 4.1e-4, the rounding of the float16 store. One thread and
# small batches, because another order of float sums can exchange two bins of a joint that nearly tie.
@pytest.mark.slow
@pytest.mark.skipif(not VIDEO.is_file(), reason="no ../shared")
@pytest.mark.parametrize(
    ("switches", "golden"),
    [
        (["--crop-aspect", "published", "--person-selection", "first"], "clip_one_person.npz"),
        (["--as-published"], "clip_one_person_as_published.npz"),
    ],
)
def test_a_whole_clip_gives_the_published_features(tmp_path: Path, switches: list[str], golden: str) -> None:
    published = np.load(SHARED / "golden" / golden)
    with (tmp_path / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "frame", "x1", "y1", "x2", "y2", "score"])
        for frame, found in enumerate(json.loads(str(published["boxes"]))):
            writer.writerows([VIDEO, frame, *box] for box in found)
    (tmp_path / "clips.csv").write_text(f"path,persons\n{VIDEO},1\n")
    weights = tmp_path / "pose_hrnet_w48_256x192_split2_sigma4.pth"
    torch.save(paper_network().state_dict(), weights)
    store = tmp_path / "x.zarr"
    command = ["extract", "--videos", tmp_path / "clips.csv", "--out", store, "--weights", weights]
    given = ["--backend", "hrnet-simcc", "--detector", "boxes-file", "--boxes", tmp_path / "boxes.csv"]
    assert (
        main([str(word) for word in [*command, *given, *switches, "--person-batch", "8", "--threads", "1"]])
        == 0
    )

    pooled = FeatureStore.open(store).read([0])["pooled"][0].astype(np.float32)
    theirs = published["pooled"][:, 0]
    difference = np.abs(pooled[0] - theirs) / theirs.max()
    print(f"{golden}: largest {difference.max():.1e}, median {np.median(difference):.1e}")
    assert difference.max() < 1e-3
    assert not pooled[1].any()  # ours leaves the slot empty, theirs copies the person
