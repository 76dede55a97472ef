"""Persons, heatmaps and predictions drawn on frames and videos."""

from __future__ import annotations

from heatpool.pipelines.drawing.overlay import blend_heatmap, draw_persons
from heatpool.pipelines.drawing.view import PersonsInView, View

__all__ = ["PersonsInView", "View", "blend_heatmap", "draw_persons"]
