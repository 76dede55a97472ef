"""What stage two must not load: each of these costs more than training a small head does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

TRAIN = """
import sys
from pathlib import Path
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.recipe import HEADS, recipe_with
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.stream import load_model, StreamArchitecture
from tests.classify.clip_cases import moving_clips
for number, changes in enumerate([{}, {"optimizer": "sgd", "grad_clip": 1.0, "accumulation": 2}]):
    recipe = recipe_with(HEADS["linear"], {"epochs": 2, "window": 8, **changes})
    options = {"val": moving_clips(6), "out_dir": Path(sys.argv[1], str(number))}
    done = train_network(StreamArchitecture(recipe), moving_clips(9), **options)
    train_network(StreamArchitecture(recipe), moving_clips(9), **options, resume=True)
    predict_scores(load_model(done.best), moving_clips(6))
"""

SCORES = """
from heatpool.classify.data import splits
from heatpool.classify.scores import calibration, compare, foreign, fuse, metrics, scores, shares
from heatpool.classify.training import ranks, recipe
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """Names of the packages that a program loads, with those of torch's compiler."""
    code += "\nprint(*{name.split('.')[0] for name in sys.modules}, *{'torch._dynamo'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}", *arguments], cwd=ROOT, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return set(done.stdout.split())


def test_scores_recipes_and_splits_need_no_torch() -> None:
    assert not loaded(SCORES) & {"torch", "scipy", "sklearn", "pandas", "matplotlib", "zarr"}


def test_training_a_head_loads_torch_and_not_its_compiler(tmp_path: Path) -> None:
    found = loaded(TRAIN, str(tmp_path))
    assert "torch" in found
    assert not found & {
        "torch._dynamo", "sympy", "accelerate", "scipy", "sklearn", "pandas", "matplotlib", "av", "cv2",
    }  # fmt: skip
