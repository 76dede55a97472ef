"""torch's optimisers without what they import for its compiler."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch.optim import Optimizer

__all__ = ["SGD", "AdamW"]


def _plain(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """Return a subclass whose methods lack the decorators that hide them from `torch.compile`.

    A decorated method imports torch._dynamo when it is first called, which takes as long as to import all the
    rest of torch; nothing is compiled here. Methods that are not decorated stay as they are.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    # the innermost function: the layers around it import the compiler, and switch gradients off
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


AdamW = _plain(torch.optim.AdamW)
SGD = _plain(torch.optim.SGD)
