"""People, heatmaps and predictions drawn on frames."""
