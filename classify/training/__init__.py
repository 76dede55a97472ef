"""One training loop for streams, heads and HP-Net; recipes and checkpoints."""
