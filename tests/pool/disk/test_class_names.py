"""Class lists and text files as people have them."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest

from heatpool.pool.disk.class_names import ClassNames, plain_name, read_class_names
from heatpool.pool.disk.text_files import read_text
from heatpool.pool.errors import HeatpoolError


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "names.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "walk\nrun\n",
        "\ufeffwalk\r\nrun\r\n\r\n",
        "walk\nrun".encode("utf-16"),
        b"\xfe\xff" + "walk\nrun\n".encode("utf-16-be"),
        "walk \n\u00a0run\u200b",
    ],
)
def test_a_name_a_line_whatever_the_program_wrote_around_it(tmp_path: Path, content: str | bytes) -> None:
    assert read_class_names(write(tmp_path, content)) == ClassNames(("walk", "run"))


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("1 walk\n2 shake hands\n", 1),  # classInd.txt of UCF101
        ("0\twalk\n1\tshake hands\n", 0),
        ("id,name\n0,walk\n1,shake hands\n", 0),  # kinetics_400_labels.csv
        ("1. walk\n2. shake hands\n", 1),
        ("1: walk\n2: shake hands", 1),
    ],
)
def test_numbers_before_names_are_none_of_them(
    tmp_path: Path, content: str, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert read_class_names(write(tmp_path, content)) == ClassNames(("walk", "shake hands"), first)
    assert f"classes are numbered from {first}" in caplog.text


@pytest.mark.parametrize(
    "content",
    ["3 steps\n2 steps\n", "step 1\nstep 2\n", "100 m\n200 m\n", "1 walk\n1 run\n", "1 walk\nrun\n"],
)
def test_other_numbers_are_part_of_a_name(tmp_path: Path, content: str) -> None:
    assert read_class_names(write(tmp_path, content)) == ClassNames(tuple(content.splitlines()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a class name per line in .*, it is empty"),
        ("walk\n\nrun\n", "in every line of names.txt, line 2 is empty"),
        ("walk\nrun\n walk", "each class once in names.txt, got 'walk' in lines 1 and 3"),
        ("caf\u00e9\ncafe\u0301\n", "each class once .* in lines 1 and 2"),
        ("id,name\n0,walk\n1,walk\n", "each class once .* in lines 2 and 3"),
        ("# classes\nwalk\nrun\n", "line 1 is a remark: '# classes'"),
        ("1 walk\n3 run\n4 jump\n", "without a gap in names.txt, got 3 after 1 in line 2"),  # as of AVA
        (
            "walk\ncafé".encode("latin-1"),
            "in UTF-8: line 2 .*, perhaps 'café' in Windows-1252",
        ),
        (b"\x93NUMPY\x01\x00", "is a NumPy array"),
        ("walk".encode("utf-16-le"), "save it as text in UTF-8: it holds zero bytes"),
        ("walk".encode("utf-32"), "it holds zero bytes"),
        (b"PK\x03\x04\x14", "is a spreadsheet or an archive: save it as CSV"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message) as caught:
        read_class_names(write(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("adult+female, singing,0\nwalk,1\n", 0),  # moments_categories.txt of Moments in Time
        ("name,id\nadult+female, singing,0\nwalk,1\n", 0),
        ("adult+female, singing\t1\nwalk\t2\n", 1),
        ('"adult+female, singing",1\n"walk",2\n', 1),
    ],
)
def test_numbers_behind_names_are_none_of_them(tmp_path: Path, content: str, first: int) -> None:
    assert read_class_names(write(tmp_path, content)) == ClassNames(("adult+female, singing", "walk"), first)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("label\nwalk\nrun\n", "its first line, 'label', is taken for a header"),
        ("- walk\n- run\n", "the marks '- ' of a list"),
        ('"walk"\n"run"\n', "quotation marks are no part of the names"),
        ('["walk", "run"]', ""),
    ],
)
def test_what_stands_around_names_is_no_class(
    tmp_path: Path, content: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert read_class_names(write(tmp_path, content)) == ClassNames(("walk", "run"))
    assert said in caplog.text


@pytest.mark.parametrize("content", ['{"run": 1,\n"walk": "0"}', '{\n"0": "walk",\n"1": "run"\n}'])
@pytest.mark.parametrize("name", ["labels.json", "labels.txt"])
def test_json_that_numbers_names_is_read(tmp_path: Path, content: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert read_class_names(path) == ClassNames(("walk", "run"), 0)


@pytest.mark.parametrize(
    "content", ['{"walk": 0, "run": 2}', '[{"id": 0, "name": "walk"}]', '{"walk": [0]}', "{}", "[]"]
)
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(HeatpoolError, match=r"expected a list of class names in names.txt, or an object"):
        read_class_names(write(tmp_path, content))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="cannot read .*none.txt: No such file"):
        read_text(tmp_path / "none.txt")


def test_a_name_has_one_form() -> None:
    nfd = unicodedata.normalize("NFD", "Überqueren, zu Fuß")
    for text in (nfd, "Überqueren,\u00a0zu  Fuß ", "\ufeffÜberqueren,\tzu\nFuß"):
        assert plain_name(text) == "Überqueren, zu Fuß"
    assert plain_name(" shake  hands") == "shake hands"
    assert plain_name("ﬁt №5") == "ﬁt №5"  # NFC, not NFKC: letters stay those that were written
