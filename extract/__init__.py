"""Stage one: videos in, per-joint features out."""
