"""HP-Net (TPAMI 2025, arXiv 2512.03837): skeleton streams, RGB and text in one classifier."""
