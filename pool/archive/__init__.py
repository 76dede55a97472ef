"""A store as one file to hand on, with its data card."""
