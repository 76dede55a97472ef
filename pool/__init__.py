"""Feedback pooling, temporal resampling and the feature store."""
