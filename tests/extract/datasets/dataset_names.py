"""Names of whole data sets, made by rule, so that the published sizes can be counted without a video."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

# Performers of each NTU setup. Published sizes plus left-out samples are multiples of 360 (3 cameras x 2
# repeats x 60 actions) in every part of every protocol: each of 318 pairs of setup and performer is complete.
# 217 of the pairs are those of published sample names (setups 1 and 2 whole, 174 in the list of missing
# skeletons); the others are filled in, as many as the sizes ask for.
NTU_PERFORMERS = {
    1: "1-8",
    2: "3 7-14",
    3: "1 2 7 8 15-19 26",
    4: "3 5 6 8 13 20 30 34 35 38",
    5: "4 9 10 13 14 16 18 21 30 32",
    6: "1 7 12 16 17 22-24 38",
    7: "7 8 15 18 19 25-28",
    8: "1 7 8 25 29 31-35",
    9: "7 8 15-17 25 31 34 37",
    10: "4 5 7 8 16 17 19 22 25",
    11: "1 2 8 15-19 25 27 28",
    12: "8 15-19 25 27 28",
    13: "8 11 15 17 18 25 27 28 35",
    14: "7 9 13 15 19 24 25 27 39",
    15: "2 7 8 15-17 21 25 38",
    16: "8 14 19 25 29 31 36 39 40",
    17: "4 5 7 8 15-17 20 23",
    18: "8 45 54 60 72 73 78 83 93 103",
    19: "42 46 49-51 53 68 69 81 85 99 100",
    20: "8 41 43 44 52-54 65 75 77",
    21: "45 47 55-59 68 71 72 92 102",
    22: "47 57 61 63-65 67 68 77 105",
    23: "55 58 59 61 63 64 66 72 75 76 78 105",
    24: "60-65 67 71 79 81",
    25: "48 49 55 56 58 59 66 76 77 83 95 99",
    26: "8 44 50 69-71 73-75 96",
    27: "41 43 44 62 79 80 82 84 86 87 106",
    28: "8 41 42 46 48 70 73 76 87 101",
    29: "8 41 43 44 48 51 67 74 80 88-90",
    30: "44 62 84 85 88 91 94 96 104",
    31: "42-44 51 60 66 67 82 90 97 101",
    32: "43 52 67 69 86 98 102 104 106",
}


def spread(text: str) -> list[int]:
    """Read "1 2 5-7"."""
    ends = [word.split("-") for word in text.split()]
    return [number for first, *last in ends for number in range(int(first), int((last or [first])[0]) + 1)]


def ntu_names() -> Iterator[str]:
    """The 114,480 clips of NTU RGB+D 120; setups up to 17 have the actions 1 to 60, the others 61 to 120."""
    for setup, performers in NTU_PERFORMERS.items():
        first = 1 if setup <= 17 else 61
        for performer, camera, repeat in product(spread(performers), (1, 2, 3), (1, 2)):
            for action in range(first, first + 60):
                yield f"S{setup:03}C{camera:03}P{performer:03}R{repeat:03}A{action:03}"


def share_out(count: int, places: int) -> list[int]:
    """Share out as evenly as can be."""
    return [count // places + (at < count % places) for at in range(places)]


# Published: the classes of CS that CV leaves out, and sizes of the parts of Toyota-Smarthome.
SMARTHOME_CS_ONLY = (
    "Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Laydown", "WatchTV",
    "Makecoffee.Pourgrains", "Makecoffee.Pourwater", "Maketea.Boilwater", "Maketea.Insertteabag",
    "Pour.Fromkettle",
)  # fmt: skip
SMARTHOME_CV = (
    "Cutbread", "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable",
    "Eat.Snack", "Enter", "Getup", "Leave", "Pour.Frombottle", "Pour.Fromcan", "Readbook", "Sitdown",
    "Takepills", "Uselaptop", "Usetablet", "Usetelephone", "Walk",
)  # fmt: skip
# Of the 19 classes: CV1 trains on camera 1, CV2 on 3, 4, 6 and 7 too, which have 5,929 clips together.
_SMARTHOME_CAMERAS = {1: 1877, 2: 1901, 5: 3539, 3: 1483, 4: 1482, 6: 1482, 7: 1482}
_SMARTHOME_SUBJECTS = (
    ("3 4 6 7 9 12 13 15 17", 8829),
    ("19 25", 1853),
    ("2 10 11 14 16 18 20", 5433),
)


def smarthome_names() -> list[str]:
    """16,115 clips with the published number for each part of CS, CV1 and CV2."""
    cameras = [
        (camera, SMARTHOME_CV[at % 19]) for camera, clips in _SMARTHOME_CAMERAS.items() for at in range(clips)
    ]
    cameras += [(1 + at % 7, SMARTHOME_CS_ONLY[at % 12]) for at in range(16_115 - len(cameras))]
    subjects = []
    for text, clips in _SMARTHOME_SUBJECTS:
        numbers = spread(text)
        subjects += [numbers[at % len(numbers)] for at in range(clips)]
    order = [at * 7919 % 16_115 for at in range(16_115)]  # every subject meets every camera and class
    return [
        f"{cameras[at][1]}_p{subjects[each]:02}_r{at % 30:02}_v{at // 30:02}_c{cameras[at][0]:02}"
        for each, at in enumerate(order)
    ]


# The official repository prints the train subjects; the facts of the papers, the test subjects.
UAV_TRAIN_1 = (
    "0 2 5-8 10-21 25-30 32-40 42-53 55-57 59 61-65 67-71 73 76-90 98 100 102 103 105 106 110-112 114-118"
)
UAV_TRAIN_2 = (
    "0 3-6 8 10-12 14 16 18-22 24 26 29-32 35-40 43-47 49 52 54 56 57 59-64 66 67 69-75 77-81 83 84 86-89 "
    "91-97 99-104 106-115 117 118"
)


def uav_human_names() -> list[str]:
    """22,366 clips: 16,182 and 6,184 by CSv1, 16,074 and 6,292 by CSv2; some with two people."""
    train_1, train_2 = set(spread(UAV_TRAIN_1)), set(spread(UAV_TRAIN_2))
    both = 16_074 - 4_000  # 4,000 is free: clips of subjects that train in version 2 only
    clips = {(True, True): both, (True, False): 16_182 - both, (False, True): 4_000}
    clips[False, False] = 22_366 - sum(clips.values())
    names = []
    for (first, second), count in clips.items():
        subjects = [n for n in range(119) if (n in train_1) == first and (n in train_2) == second]
        for subject, each in zip(subjects, share_out(count, len(subjects)), strict=True):
            for at in range(each):
                action, people = at % 155, "12" if at % 4 == 0 else "10"
                names.append(
                    f"P{subject:03}S{at % 3:02}G{people}B10H10UC022000LC021000A{action:03}R{at // 155 % 10}"
                    f"_08{at // 155:06}"
                )
    return names


def ucf101_names(classes: list[str]) -> list[str]:
    """13,320 clips, 3,783 of them in the groups 1 to 7 as published; how the rest is shared out is free."""
    sizes = [(range(1, 8), 3783), (range(8, 26), 9537)]
    names = []
    for groups, count in sizes:
        places = [(name, group) for name in classes for group in groups]
        for (name, group), clips in zip(places, share_out(count, len(places)), strict=True):
            # The folder is HandstandPushups, the files in it say HandStandPushups.
            inside = name.replace("HandstandP", "HandStandP")
            names += [f"{name}/v_{inside}_g{group:02}_c{clip:02}" for clip in range(1, clips + 1)]
    return names


def nw_ucla_names() -> list[str]:
    """1,475 clips: 10 actions, 3 views, 10 subjects, some of 5 takes."""
    actions = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    names = [
        f"a{action:02}/v{view:02}_s{subject:02}_e{take:02}"
        for take, action, view, subject in product(range(5), actions, (1, 2, 3), range(1, 11))
    ]
    return names[:1475]
