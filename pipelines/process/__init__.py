"""The process itself: device, memory, signals, progress."""
