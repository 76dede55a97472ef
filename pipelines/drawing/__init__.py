"""Persons, heatmaps and predictions drawn on frames and videos."""

from __future__ import annotations

from heatpool.pipelines.drawing.overlay import blend_heatmap, draw_persons
from heatpool.pipelines.drawing.view import Persons, View

__all__ = ["Persons", "View", "blend_heatmap", "draw_persons"]
