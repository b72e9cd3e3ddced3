"""The constant arrays that kernels share."""

from __future__ import annotations

import numpy as np
import pytest

from nn import constants


def test_each_is_made_once_and_cannot_be_written() -> None:
    for made, again in (
        (constants.ones(3, np.dtype("f")), constants.ones(3, np.dtype("f"))),
        (constants.zeros(3, np.dtype("d")), constants.zeros(3, np.dtype("d"))),
        (constants.zero(np.dtype("f")), constants.zero(np.dtype("f"))),
        (constants.row_starts(3, 10), constants.row_starts(3, 10)),
    ):
        assert made is again
        with pytest.raises(ValueError, match="read-only"):
            made[...] = 5
    assert constants.ones(3, np.dtype("d")).dtype == np.float64
    assert constants.row_starts(3, 10).tolist() == [0, 10, 20]


def test_sizes_without_end_do_not_fill_the_memory() -> None:
    for n in range(2000):
        constants.ones(n, np.dtype("f"))
    assert len(constants._made) <= 256
    assert constants.ones(7, np.dtype("f")).tolist() == [1.0] * 7
