"""The recipe of HP-Net."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import get_args

from heatpool.classify.data.rgb import RgbInput
from heatpool.classify.training.recipe import DEMO, Recipe
from heatpool.pool.errors import HeatpoolError

__all__ = ["SMALL", "HPNetRecipe"]

_SHARED = Recipe(
    epochs=30,
    batch_size=4,
    accumulation=4,
    optimizer="adamw",
    learning_rate=8e-6,
    weight_decay=1e-3,
    schedule="cosine",
    warmup_epochs=5,
    label_smoothing=0.1,
    normalise=False,
)


@dataclass(frozen=True)
class HPNetRecipe:
    """Recipe of HP-Net; the defaults are the published one, where HP-Net states nothing that of X-CLIP.

    Learning rates are multiples of that of `shared`: 1 for the image network, `new_rate` for what X-CLIP adds
    to CLIP (messages between frames, their integration), `skeleton_rate` and `text_rate` for what HP-Net adds
    to X-CLIP: the skeleton networks; the refinement of texts, learned texts and the stand-in for video.
    They warm up linearly and fall as a cosine to a hundredth of that of `shared`, step by step.

    Attributes:
        shared: what HP-Net has in common with one stream; its `stream` and the values of SGD and of the step
            schedule are not used.
        rgb: "none", "embeddings" = frozen, from the store, "crops" = the image network is trained as well.
        image: folder or hub name of the X-CLIP whose image network is trained, with `rgb` "crops"; else "".
        text: folder or hub name of the CLIP or X-CLIP that embeds the class names; "" = they are learned.
        mit_layers: blocks of the multi-frame integration.
        new_rate: see above.
        skeleton_rate: see above.
        text_rate: see above.
        betas: of AdamW.
        eps: of AdamW.
        mixup: both parameters of the beta distribution that a batch's share of mixing is drawn from; 0 for
            none. Embeddings or pictures, skeleton vectors and targets are mixed alike.
        cutmix: the same for rectangles of pictures that change places; only with `rgb` "crops".
        cutmix_share: share of the batches that get cutmix in place of mixup, where both are on.
        flip: probability that a clip's crops are mirrored.
        colour_jitter: probability that brightness, contrast, saturation and hue of a clip's crops change.
        grey: probability that they lose their colour.

    Raises:
        HeatpoolError: if a value makes no sense.
    """

    shared: Recipe = field(default=_SHARED)
    rgb: RgbInput = "embeddings"
    image: str = ""
    text: str = ""
    mit_layers: int = 1
    new_rate: float = 10.0
    skeleton_rate: float = 10_000.0
    text_rate: float = 10_000.0
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-3
    mixup: float = 0.8
    cutmix: float = 1.0
    cutmix_share: float = 0.5
    flip: float = 0.5
    colour_jitter: float = 0.8
    grey: float = 0.2

    def __post_init__(self) -> None:
        shares = (self.cutmix_share, self.flip, self.colour_jitter, self.grey)
        rules = {
            "model must be ctrgcn": self.shared.model == "ctrgcn",
            "optimizer must be adamw and schedule cosine": (self.shared.optimizer, self.shared.schedule)
            == ("adamw", "cosine"),
            f"rgb must be one of {', '.join(get_args(RgbInput))}": self.rgb in get_args(RgbInput),
            "image must be given for crops and only for them": bool(self.image) == (self.rgb == "crops"),
            "mit_layers must be at least 1": self.mit_layers >= 1,
            "rates and eps must be positive": min(self.new_rate, self.skeleton_rate, self.text_rate, self.eps)
            > 0,
            "betas must be in [0, 1)": all(0 <= beta < 1 for beta in self.betas),
            "mixup and cutmix must not be negative": min(self.mixup, self.cutmix) >= 0,
            "cutmix_share, flip, colour_jitter and grey must be in [0, 1]": all(
                0 <= share <= 1 for share in shares
            ),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise HeatpoolError(f"HP-Net recipe: {'; '.join(broken)}")


SMALL = HPNetRecipe(
    shared=replace(DEMO, learning_rate=2e-6),
    new_rate=500.0,
    text_rate=500.0,
    eps=1e-8,
    mixup=0.0,
    cutmix=0.0,
)
"""Preset for some hundred clips on a CPU: narrow skeleton networks, nothing pretrained to be careful with."""
