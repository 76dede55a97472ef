"""From a feature store to batches: cache, clips, streams."""
