"""Person detectors and pose networks, and where their weights come from."""
