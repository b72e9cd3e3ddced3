"""Install PyTorch, the tests' optional oracle, where that is cheap: run by an environment's own Python.

Never installs GPU packages: the resolution is looked at first, without downloading what it names. Where PyTorch cannot
be had, one line says why, now and at each later call; the search itself is made once per environment.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

VERSION = "2.13.0"
GPU_PACKAGE = re.compile(r"nvidia[-_.]|cuda|triton|pytorch[-_.]triton", re.IGNORECASE)
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]


def main() -> None:
    try:
        version("torch")
    except PackageNotFoundError:
        record = Path(sys.prefix) / f"torch-{VERSION}-not-installed.txt"
        if not record.exists():
            reason = install()
            if not reason:
                return
            record.write_text(reason, encoding="utf-8")
        print(f"PyTorch parity tests will be skipped: {record.read_text(encoding='utf-8')}", flush=True)


def install() -> str:
    """Install PyTorch, or return why not."""
    print(f"Looking for PyTorch {VERSION} without GPU packages", flush=True)
    requirement = f"torch=={VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        # fast-deps reads the metadata out of the remote files, which may have gigabytes
        looked = run("--dry-run", "--use-feature=fast-deps", "--report", str(report), requirement)
        if looked:
            return looked
        names = [item["metadata"]["name"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    gpu = [name for name in names if GPU_PACKAGE.match(name)]
    if gpu:
        return f"{requirement} would bring {len(gpu)} GPU packages here (such as {gpu[0]})"
    return run(requirement)


def run(*arguments: str) -> str:
    """Run pip; return its last word where it fails, else nothing."""
    try:
        process = subprocess.run([*PIP, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
    except subprocess.TimeoutExpired:
        return "pip took more than 15 minutes"
    if process.returncode == 0:
        return ""
    errors = [line for line in process.stderr.splitlines() if line.startswith("ERROR:")]
    return (errors or process.stderr.splitlines() or ["pip failed without a word"])[-1].removeprefix("ERROR: ")


if __name__ == "__main__":
    main()
