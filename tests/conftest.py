"""What every test starts from."""

from __future__ import annotations

import pytest

from autodiff import tensor


@pytest.fixture(autouse=True)
def _warn_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let warnings that come once a process come once a test, whatever ran before."""
    monkeypatch.setattr(tensor, "_warned", set())
