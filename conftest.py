"""Names that the examples in the docstrings use without importing them."""

from __future__ import annotations

import builtins
import importlib
from typing import Any

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _names_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        doctest_namespace["np"] = np
        for name in ("autodiff", "nn") if "nn" in request.path.parts else ("autodiff",):
            package = importlib.import_module(name)
            public = {key: value for key, value in vars(package).items() if not key.startswith("_")}
            # Where an example says sum or round, it means its own module's, or else Python's.
            doctest_namespace.update({key: value for key, value in public.items() if not hasattr(builtins, key)})
            doctest_namespace[name] = package
