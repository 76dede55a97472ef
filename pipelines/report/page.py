"""Pages of ours: a template of this folder, filled, as one HTML file that opens offline.

A page extends `base.html`, takes its charts from `charts.html` and its figures through the filters below.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import jinja2

from heatpool.pipelines.drawing.text_width import cut_text
from heatpool.pipelines.report.charts import FRAME

__all__ = ["link_between", "render_page"]

_LONGEST_NAME = 80  # places of a class or a clip


def render_page(template: str, /, **values: Any) -> str:
    """Fill a template of this folder; what comes from users is escaped, and a value that lacks is an error.

    Args:
        template: file name, such as `page.html`.
        **values: by the names that the template uses.
    """
    return _environment().get_template(template).render(**values)


def link_between(page: Path, target: Path) -> str:
    """Return the address of a file as a page links to it: relative, so that both may move together."""
    relative = os.path.relpath(target.resolve(), page.resolve().parent)
    return quote(PurePath(relative).as_posix())


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"pct": _percent, "interval": _interval, "spread": _spread, "size": _size}
    environment.filters |= {"count": _count, "cut": _cut}
    environment.globals["frame"] = FRAME
    return environment


def _cut(name: str) -> str:
    return cut_text(name, _LONGEST_NAME)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _spread(figure: Mapping[str, float]) -> str:
    return f"{100 * figure['mean']:.1f} ± {100 * figure['std']:.1f} %"


def _size(number_of_bytes: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number_of_bytes >= factor:
            return f"{number_of_bytes / factor:.3g} {unit}"
    return f"{number_of_bytes:.0f} bytes"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
