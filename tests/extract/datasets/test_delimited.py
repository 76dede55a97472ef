from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.extract.datasets.delimited import open_table
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pool.errors import HeatpoolError


def read(
    path: Path, content: str | bytes, *needed: str
) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_table(path, needed=needed, numbers=("a", "b", "c", "d")) as (header, rows):
        return header, list(rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_says_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    lines = ["\ufeffpath, note ", 'a.mp4,"x; y,\tz"', "", ",,", '"b\n1.mp4",', "c.mp4"]
    text = "\r\n".join(
        line.replace(",", delimiter) if at != 1 else f'a.mp4{delimiter}"x; y,\tz"'
        for at, line in enumerate(lines)
    )
    header, rows = read(tmp_path / "t.csv", text)
    assert header == ("path", "note")
    assert rows == [
        (2, {"path": "a.mp4", "note": "x; y,\tz"}),
        (6, {"path": "b\n1.mp4", "note": ""}),  # a row may have several lines; the last one counts
        (7, {"path": "c.mp4", "note": ""}),
    ]


def test_a_header_may_stand_below_other_lines(tmp_path: Path) -> None:
    text = "Observation id\tone\n\nTime\tSubject\n1.5\tanna\n"
    assert read(tmp_path / "t.tsv", text, "Time", "Subject") == (
        ("Time", "Subject"),
        [(4, {"Time": "1.5", "Subject": "anna"})],
    )
    assert read(tmp_path / "t.tsv", text, "Behaviour")[0] == ("Observation id", "one")


def test_semicolons_come_with_decimal_commas(tmp_path: Path) -> None:
    """As spreadsheets in half of the world write them; in other tables 1,500 may be fifteen hundred."""
    _, rows = read(tmp_path / "t.csv", "a;B;c;d;name\n1,5; 0,25;01:02,5;Ja, klar;2,5\n1,2,3;,5;x,5;-1,0\n")
    assert [list(row.values()) for _, row in rows] == [
        ["1.5", " 0.25", "01:02.5", "Ja, klar", "2,5"],  # what is no column of numbers stays as it is
        ["1,2,3", ",5", "x,5", "-1.0", ""],
    ]
    assert read(tmp_path / "t.tsv", "a\tb\n1,500\tx\n")[1] == [(2, {"a": "1,500", "b": "x"})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "path,start_s\na.mp4,1\nb.mp4,1,5\n",
            "values as columns in line 3 of t.csv, got 3 .*; numbers have decimal points",
        ),
        (
            "path\tstart_s\na.mp4\t1,5\n",
            "a number .* in column start_s, got '1,5' in line 2 of t.csv; numbers have decimal points",
        ),
        ("path,a,a\n", "expected each column once in t.csv, got 'a' twice"),
        (
            "path\na.mp4\né.mp4\n".encode("latin-1"),
            "UTF-8: line 3 is in another encoding, perhaps 'é.mp4' in W",
        ),
        ("path\na.mp4\n".encode("utf-16-le"), "save it as text in UTF-8: it holds zero bytes"),
        (b"path\n" + b"x" * 200_000, "field larger than field limit"),
        (b'path,label\na.mp4,"wave\nb.mp4,clap\n', "unexpected end of data, up to line 3; see its quotation"),
        ("a.mp4,wave\n", r"got a.mp4, wave \(the first line must name the columns\)"),
        ("7,7,wave\n", r"got 7, 7, wave \(the first line must name the columns\)"),
        ("path|label\n", r"got path\|label \(between columns: commas, semicolons or tabs\)"),
        ("path label\n", r"got path label \(between columns: commas"),
        ("", "got an empty file"),
        ('{"path": "a.mp4"}\n', "a table with a line of column names, .*t.csv is JSON"),
        ("<table><tr>\n", "t.csv is XML or a web page"),
        ("path,label\na.mp4,run, fast\n", "line 2 .*, and texts that hold ',' quotation marks around them"),
        (b"\x80\x04\x95\0\0", "t.csv is a pickle"),
        (b"PK\x03\x04\x14\0", "t.csv is a spreadsheet or an archive: save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1", "t.csv is a spreadsheet: save it as CSV"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HeatpoolError, match=message) as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)
