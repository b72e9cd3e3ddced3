"""Make a virtual environment ready, once: `python tools/environment.py FOLDER [--exact] -- PIP-ARGUMENTS`.

The environment is made by the Python that runs this script, and `pip install PIP-ARGUMENTS` runs in it. A record in
FOLDER lets the next call with the same arguments return at once, until `pyproject.toml`, the environment's Python or
the project's place on disk changes. An environment that works is kept, whichever Python it has; with `--exact`, one
made by another Python is made anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
PIP = "pip>=25.1"  # the first that knows dependency groups
PIP_INSTALL = ["-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]  # says errors only

# what an interpreter says of itself: its version, where it comes from, and whether it has pip
PROBE = """
import importlib.util, json, os, sys
origin = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
print(json.dumps([*sys.version_info[:2], origin, importlib.util.find_spec("pip") is not None]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("pip_arguments", nargs="+")
    options = parser.parse_args()

    python = ROOT / options.folder / "bin" / "python"
    found = probe(python)
    works = found is not None and found[:2] >= OLDEST and found[-1]
    if not works or (options.exact and found[:3] != probe(Path(sys.executable))[:3]):
        print(f"Making {options.folder} with Python {sys.version.split()[0]} ({sys.executable})", flush=True)
        run(sys.executable, "-m", "venv", "--clear", "--prompt", "glassgrad", options.folder)
        found = probe(python)

    record = ROOT / options.folder / "glassgrad-setup.json"
    key = " ".join(options.pip_arguments)
    state = fingerprint([str(ROOT), found, PIP, (ROOT / "pyproject.toml").read_text(encoding="utf-8")])
    if read(record).get(key) != state:
        print(f"Installing into {options.folder}: {key} (the first time may take some minutes)", flush=True)
        run(python, *PIP_INSTALL, "--upgrade", PIP)
        run(python, *PIP_INSTALL, *options.pip_arguments)
        record.write_text(json.dumps({**read(record), key: state}, indent=1), encoding="utf-8")


def probe(python: Path) -> tuple | None:
    """What PROBE says of an interpreter; None where it does not run."""
    try:
        process = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(json.loads(process.stdout))


def read(record: Path) -> dict[str, str]:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def fingerprint(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def run(*command: str | Path) -> None:
    """Run a command; where it fails, end with one line that says which."""
    if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode:
        sys.exit(f"Setting up failed at: {' '.join(str(part) for part in command)}")


if __name__ == "__main__":
    main()
