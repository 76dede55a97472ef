"""The report in a real browser: names of strangers do nothing there, and the page keeps to its width."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from heatpool.pipelines.report import write_report
from tests.pipelines.report import report_cases
from tests.pipelines.report.report_cases import make_run, make_store

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Of chromium's own doings, what asks for a network or a GPU is left out.
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files",
)  # fmt: skip
CLASSES = (
    "</td><script>document.title = 'run'</script>",
    '" onmouseover="document.title = 1',
    "L" * 500,
)
CLIPS = (
    *(f"{'I' * 500}{row}'><img src=x onerror=\"document.title = 'run'\">" for row in range(8)),
    "</table><svg onload=\"document.title = 'run'\"></svg><style>body { display: none }</style>",
)
# Says in its own title what the page in its frame has become; scripts of a page are under no ban here.
OUTER = """<!doctype html><iframe src="report.html" width=1000 height=800></iframe><script>
const frame = document.querySelector("iframe")
frame.onload = () => setTimeout(() => {
  const page = frame.contentDocument
  const foreign = [...page.querySelectorAll("*")].filter(
    (each) => each.matches("script, iframe, object, link[href^=http]")
      || [...each.attributes].some((at) => at.name.startsWith("on")))
  document.title = JSON.stringify([
    page.title, foreign.length, page.documentElement.scrollWidth, page.documentElement.clientWidth,
    getComputedStyle(page.body).display, page.body.innerText.includes("</td><script>")])
}, 500)
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_names_of_strangers_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_cases, "CLASSES", CLASSES)
    monkeypatch.setattr(report_cases, "CLIP_IDS", CLIPS)
    report = write_report(make_run(tmp_path / "run"), make_store(tmp_path / "s.zarr"), videos_root=None)
    outer = report.with_name("outer.html")
    outer.write_text(OUTER.replace("report.html", report.name), encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000",
            "--dump-dom", outer.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    said, made = (
        unescape(re.findall(r"<title>(.*?)</title>", text, re.DOTALL)[0])
        for text in (done.stdout, report.read_text(encoding="utf-8"))
    )
    title, foreign, width_px, window_px, display, shown = json.loads(said)
    assert (title, foreign) == (made, 0)
    assert 0 < width_px <= window_px
    assert (display, shown) == ("block", True)
