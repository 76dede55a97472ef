"""Persons, heatmaps and predictions drawn on frames and videos."""
