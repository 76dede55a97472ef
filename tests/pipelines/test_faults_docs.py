"""docs/faults.md and SECURITY.md name tests: each is there, and marked slow where they say so."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from tests.paths import ROOT


@pytest.mark.parametrize(("page", "least"), [("docs/faults.md", 30), ("SECURITY.md", 15)])
def test_every_test_in_the_table_exists(page: str, least: int) -> None:
    files: dict[str, str] = defaultdict(str)
    for path in (ROOT / "tests").rglob("test_*.py"):
        files[path.name] += path.read_text()  # of several folders
    named = 0
    for line in (ROOT / page).read_text().splitlines():
        file = ""
        for word, slow in re.findall(r"`(test_[\w.:]+)`( \*\*s\*\*)?", line):
            file, _, name = word.partition("::") if ".py" in word else (file, "", word)
            assert file in files, word
            named += 1
            if not name:
                continue
            found = re.search(rf"((?:^[@ )\]].*\n)*)^def {name}\(", files[file], re.MULTILINE)
            assert found, f"{file} holds no {name}"
            if slow:
                assert "pytest.mark.slow" in found.group(1), f"{word} is not marked slow"
    assert named >= least
