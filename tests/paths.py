"""Where the tests' files lie: the clone, its golden arrays, and what may lie beside the clone."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden"
SHARED = ROOT.parent / "shared"
