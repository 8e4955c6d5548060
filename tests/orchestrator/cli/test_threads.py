"""Commands over tables take one thread for products of matrices, unless they are given more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import atexit, sys
from orchestrator import cli

def show():
    from threadpoolctl import threadpool_info
    print("THREADS", {own["num_threads"] for own in threadpool_info() if own["internal_api"] == "openblas"})

atexit.register(show)
sys.argv = ["orchestrator", "compare", "a.csv", "b.csv"]
cli.main()
"""


@pytest.mark.parametrize("given", [None, "2"])
def test_compare_takes_one_blas_thread_unless_it_is_given_more(given, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("ImageID,ans\nx,0\ny,1\n")
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"PYTHONPATH": str(ROOT)} | ({names[0]: given} if given else {})
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    expected = min(int(given or 1), os.cpu_count() or 1)
    if "THREADS set()" in done.stdout:
        pytest.skip("numpy is not built with OpenBLAS")
    assert f"THREADS {{{expected}}}" in done.stdout
