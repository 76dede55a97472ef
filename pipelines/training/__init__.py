"""Stage two wired end to end."""
