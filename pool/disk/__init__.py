"""Files that appear whole, locks, processes: what the store needs of a disk."""
