from __future__ import annotations

import logging

import pytest

from heatpool.extract.networks.person_classes import PersonClasses, find_person_classes
from heatpool.pool.errors import HeatpoolError


@pytest.mark.parametrize(
    ("names", "numbers", "are_persons"),
    [
        ({0: "person"}, (0,), True),
        (
            {3: "Person", 7: " PERSON ", 9: "people"},
            (3, 7),
            True,
        ),  # people can be crowds where person is known
        ({0: "car", 1: "Pedestrian", 2: "people"}, (1, 2), True),  # VisDrone
        ({0: "human", 1: "dog"}, (0,), True),
        ({0: "racket"}, (0,), False),
        ({0: "item"}, (0,), True),  # ultralytics' single_cls tells nothing
        ({4: "0"}, (4,), True),
        ({}, (0,), True),
    ],
)
def test_persons_are_found_by_name_whatever_the_number(
    names: dict[int, str], numbers: tuple[int, ...], are_persons: bool
) -> None:
    assert find_person_classes(names, "net.pt") == PersonClasses(numbers, are_persons)


def test_a_detector_without_persons_is_refused_and_a_pose_network_is_for_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = {0: "cat", 1: "personal computer"}
    with pytest.raises(
        HeatpoolError, match=r"expected a class 'person' in net\.pt, got cat, personal computer"
    ):
        find_person_classes(names, "net.pt")
    with caplog.at_level(logging.INFO):
        assert find_person_classes(names, "net.pt", has_joints=True) == PersonClasses((0, 1), False)
    assert "all of its classes count: cat, personal computer" in caplog.text
