"""The folder of a run of stage two: what training leaves there, and what the others read."""
