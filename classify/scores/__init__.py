"""Scores of clips: metrics, calibration, comparison and fusion."""
