"""What `heatpool.extract` itself offers, and that it costs nothing until it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

extract = import_module("heatpool.extract")  # `from heatpool import extract` is the function of the face


@pytest.mark.parametrize("name", extract.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(extract, name).__name__ == name


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'manifest_of'"):
        extract.manifest_of  # noqa: B018


def test_the_package_itself_loads_neither_decoder_nor_network() -> None:
    code = "import heatpool.extract, sys; print({'av', 'cv2', 'torch', 'ultralytics'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
