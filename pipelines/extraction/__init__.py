"""Stage one wired end to end."""
