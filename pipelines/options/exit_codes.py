"""How a command ends, as the shell sees it."""

from __future__ import annotations

__all__ = ["CLIPS_FAILED", "ERROR", "GOOD", "INTERRUPTED", "PIPE_CLOSED", "USAGE"]

GOOD = 0
ERROR = 1
USAGE = 2
CLIPS_FAILED = 3
"""Finished, but some clips are damaged."""
INTERRUPTED = 130
PIPE_CLOSED = 141
"""Whoever read the output has left, such as `| head`: the shell's 128 + SIGPIPE."""
