"""The command line and the two stages wired end to end."""
