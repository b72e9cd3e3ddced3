"""What this machine gives NumPy: its BLAS and the number of threads it uses. Changes nothing."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def describe() -> dict[str, Any]:
    """Return the processor, versions, BLAS and thread settings, for the head of a benchmark or a bug report.

    >>> sorted(describe())
    ['blas', 'cores', 'machine', 'numpy', 'python', 'threads']
    """
    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [os.environ[name] for name in THREAD_VARIABLES if name in os.environ]
    return {
        "machine": platform.machine(),
        "cores": cores,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "threads": limits[0] if limits else "not limited",
    }
