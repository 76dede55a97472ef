"""CTR-GCN and the small heads, on joint graphs."""
