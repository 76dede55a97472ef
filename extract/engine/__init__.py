"""The batch engine of stage one: clips in, pooled features out."""
