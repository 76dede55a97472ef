from __future__ import annotations

import pytest

from heatpool.pipelines.options import TrainOptions
from heatpool.pipelines.options.fields import OptionError


def test_disjoint_columns() -> None:
    assert TrainOptions().disjoint_columns == {}
    assert TrainOptions(disjoint="a=subject, b=camera,").disjoint_columns == {"a": "subject", "b": "camera"}
    for wrong in ("a", "=subject", "a=", "a=subject,b"):
        with pytest.raises(OptionError, match="expected --disjoint such as"):
            TrainOptions(disjoint=wrong)
