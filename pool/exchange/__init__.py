"""Feature stores in other file formats, and back."""
