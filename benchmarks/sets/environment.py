"""The environment of what the benchmarks on table sets need besides the project's own packages."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.sets.sources import MODULES, PACKAGES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "venv-sets"
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
PEERS = ["lightgbm==4.7.0"]


def in_environment(script: str) -> bool:
    """Whether this process has the packages and one thread; else run the script in one that has."""
    missing = [module for module in MODULES if importlib.util.find_spec(module) is None]
    if not missing and all(os.environ.get(key) == value for key, value in THREADS.items()):
        return True
    python = Path(sys.executable) if not missing else FOLDER / "bin" / "python"
    if missing and not (FOLDER / "installed").exists():
        venv.create(FOLDER, with_pip=True, clear=True)
        site = next((FOLDER / "lib").glob("python3*")) / "site-packages"
        # numpy, pandas, scikit-learn and PIL are the project's own.
        own = [entry for entry in sys.path if entry.endswith("site-packages")]
        (site / "project.pth").write_text("\n".join(own) + "\n")
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES, *PEERS]
        subprocess.run(command, check=True)
        (FOLDER / "installed").touch()
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    sys.exit(
        subprocess.run([python, script, *sys.argv[1:]], env=environment, check=False).returncode
    )
