"""Videos: exact frame counts, the wanted frames, decoding ahead."""
