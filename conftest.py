"""Names that the examples in the docstrings use without importing them."""

from __future__ import annotations

import builtins
import importlib.util
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("sklearn") is None:
    collect_ignore = ["nn/sklearn.py", "nn/data/small_sets.py"]


@pytest.fixture(autouse=True)
def _names_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    if not isinstance(request.node, pytest.DoctestItem):
        return
    names: dict[str, Any] = {"np": np}
    for name in ("autodiff", "nn") if "nn" in request.path.parts else ("autodiff",):
        package = importlib.import_module(name)
        names |= {key: getattr(package, key) for key in dir(package) if not key.startswith("_")} | {name: package}
    # A name of the example's own module goes first; one that is not there and means something in Python means that.
    own = request.node.dtest.globs if request.node.dtest else {}
    doctest_namespace.clear()
    doctest_namespace.update({key: value for key, value in names.items() if key not in own and not hasattr(builtins, key)})
