"""Options of `heatpool completion`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from heatpool.pipelines.options.shared import Options

__all__ = ["CompletionOptions"]


@dataclass(frozen=True)
class CompletionOptions(Options):
    """Print a script that completes commands in your shell.

    Save it where your shell looks, once; it costs nothing when heatpool starts.

    Attributes:
        shell: bash: ~/.local/share/bash-completion/completions/heatpool, zsh: a file _heatpool in a folder of
            $fpath, fish: ~/.config/fish/completions/heatpool.fish
    """

    shell: Literal["bash", "zsh", "fish"]
