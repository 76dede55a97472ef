from __future__ import annotations

import pytest

from heatpool.pool.exchange.clip_store import ClipPart, part_frames


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (ClipPart(0), (0, 100)),
        (ClipPart(0, start_s=2.0), (50, 100)),
        (ClipPart(0, start_s=1.0, end_s=2.0), (25, 50)),  # frame 50 is at 2 s and belongs to what follows
        (ClipPart(0, start_s=0.1 + 0.2, end_s=0.4), (8, 10)),  # 0.30000000000000004 s is 0.3 s
        (ClipPart(0, end_s=99.0), (0, 100)),
    ],
)
def test_frames_lie_between_start_and_end(part: ClipPart, expected: tuple[int, int]) -> None:
    assert part_frames(part, 100, 25.0) == expected


def test_times_need_a_rate_and_frames_between_them() -> None:
    with pytest.raises(ValueError, match="not known, which its start and end need: give --fps"):
        part_frames(ClipPart(0, start_s=1.0), 100, 0.0)
    for part in (ClipPart(0, start_s=5.0), ClipPart(0, start_s=2.0, end_s=1.0), ClipPart(0, end_s=0.0)):
        with pytest.raises(ValueError, match="got 100 in all at 25 a second"):
            part_frames(part, 100, 25.0)
