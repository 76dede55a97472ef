"""The feature store: its layout, index, shards and journal, read and written."""
