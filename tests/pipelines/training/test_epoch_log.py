"""What stands beside the progress bar: loss and accuracy of the streams that are trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.classify.training.history import EpochReport
from heatpool.pipelines.training.epoch_log import EpochLog, EpochsDone, progress_note, read_epochs

FIGURES = {"lr": 0.1, "train/loss": 1.25, "train/acc": 0.5, "val/loss": 1.5, "val/acc/top1": 0.75}


def test_what_a_stream_in_another_process_has_done_is_read_from_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "pooled_joint"
    assert read_epochs(folder) is None
    folder.mkdir()
    head = "epoch,lr,train/loss,train/acc,val/loss,val/acc/top1\n"
    (folder / "metrics.csv").write_text(head)
    assert read_epochs(folder) is None
    (folder / "metrics.csv").write_text(f"{head}0,0.1,2,0.1,2,0.25\n1,0.1,1.25,0.5,1.5,0.75\n")
    done = read_epochs(folder)
    assert done == EpochsDone("pooled_joint", 2, 1.25, 0.75)
    assert str(done) == "pooled_joint loss 1.250, val top-1 75.0 %"


def test_the_bar_shows_the_two_streams_that_were_trained_last() -> None:
    done = [EpochsDone(name, 1, 1.0, 0.5) for name in ("a", "b", "c")]
    assert progress_note(done) == "b loss 1.000, val top-1 50.0 %; c loss 1.000, val top-1 50.0 %"
    assert progress_note([]) == ""


@pytest.mark.parametrize("resumed", [False, True])
def test_an_epoch_is_logged_once(tmp_path: Path, resumed: bool) -> None:
    lines: list[str] = []
    latest = {"pooled_joint": EpochsDone("pooled_joint", 2, 0.5, 1.0)}
    log = EpochLog(tmp_path / "keypoints_joint", epochs=4, write=lines.append, progress=None, latest=latest)
    log.count(EpochReport(epoch=1, figures=FIGURES, best_epoch=1, resumed=resumed))
    assert len(lines) == len(latest) - 1 == (0 if resumed else 1)
    if not resumed:
        assert lines[0].startswith("keypoints_joint epoch 1 of 4: lr 0.1, train/loss 1.25, train/acc 0.5")
        assert latest["keypoints_joint"] == EpochsDone("keypoints_joint", 2, 1.25, 0.75)
