"""What every action needs: the actor, the clock, random draws, and the idle motion nobody can suppress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo.kinematics import PoseCurves, curve, neutral
from heatpool.extract.demo.subjects import Lengths, Style, Subject, lengths_of


@dataclass(frozen=True)
class Stage:
    """One actor during one clip.

    Attributes:
        subject: who acts.
        u: (T,) time as fraction of the clip, 0..1.
        seconds: length of the clip.
        rng: random source of this performance.
    """

    subject: Subject
    u: np.ndarray
    seconds: float
    rng: np.random.Generator

    @property
    def style(self) -> Style:
        """The actor's style."""
        return self.subject.style

    @property
    def size(self) -> Lengths:
        """The actor's segment lengths."""
        return lengths_of(self.subject)

    @property
    def stature(self) -> float:
        """The actor's height in metres."""
        return self.subject.stature_m

    def start(self) -> PoseCurves:
        """A neutral stand with this performance's small differences."""
        curves = neutral(len(self.u), self.subject)
        curves.hands += self.rng.normal(0, 0.02, (2, 3))
        curves.twist_rad += self.rng.normal(0, 0.05)
        curves.look_rad += self.rng.normal(0, 0.08)
        curves.nod_rad += self.rng.normal(0.03, 0.04)
        return curves

    def phase(self, base_s: float, *, hold: bool = False) -> np.ndarray:
        """(T,) progress 0..1 of an action that takes an average person ``base_s`` seconds.

        The action starts at a random moment early in the clip and always fits; ``hold`` lets it end early, so
        the last pose is kept for a while.
        """
        share = min(base_s / self.style.speed * self.rng.uniform(0.9, 1.1) / self.seconds, 0.94)
        share = max(share, 0.4 if hold else 0.55)
        begin = self.rng.uniform(0.02, max(0.98 - share, 0.03) * (0.5 if hold else 1.0))
        return np.clip((self.u - begin) / share, 0, 1)

    def keys(self, phase: np.ndarray, *keys: tuple[float, object]) -> np.ndarray:
        """Eased key values over ``phase`` with jittered inner times and the actor's sharpness."""
        times = [time for time, _ in keys]
        gaps = np.diff(times)
        moved = [
            time + self.rng.uniform(-0.22, 0.22) * min(gaps[i], gaps[i + 1]) if 0 < time < 1 else time
            for i, time in enumerate(times[1:-1])
        ]
        times = [times[0], *moved, times[-1]]
        return curve(phase, list(zip(times, [value for _, value in keys], strict=True)), self.style.sharpness)

    def wobble(self, rate_hz: float) -> np.ndarray:
        """(T,) smooth random signal of about unit size, centred on ``rate_hz``."""
        draws = self.rng.random((2, 3))
        rates = rate_hz * np.array([0.6, 1.0, 1.7]) * (0.85 + 0.3 * draws[0])
        waves = np.sin(2 * np.pi * (np.multiply.outer(self.u * self.seconds, rates) + draws[1]))
        return np.asarray(waves @ np.array([0.76, 0.59, 0.45]))


def idle(curves: PoseCurves, stage: Stage) -> None:
    """Breathing, weight shift, glances and tremor on top of ``curves``, in place."""
    sway = stage.style.sway
    curves.shift[:, 0] += 0.006 * sway * stage.wobble(0.35)
    curves.shift[:, 1] += 0.004 * sway * stage.wobble(0.4)
    curves.lean_rad += 0.018 * sway * stage.wobble(0.4)
    curves.side_rad += 0.015 * sway * stage.wobble(0.35)
    curves.twist_rad += 0.035 * sway * stage.wobble(0.3)
    curves.look_rad += 0.09 * sway * stage.wobble(0.4)
    curves.nod_rad += 0.04 * sway * stage.wobble(0.5)
    arm = stage.size.arm
    for side in range(2):
        for axis in range(3):
            curves.hands[:, side, axis] += 0.012 * sway * stage.wobble(0.5)
            curves.hands[:, side, axis] += stage.style.tremor / arm * stage.wobble(7.0)
