"""How many threads a command that only reads tables takes for products of matrices."""

from __future__ import annotations

import os


def one_blas_thread() -> None:
    """One for numpy's OpenBLAS, unless the variable is set. Before it is imported.

    Their threads wait for work by spinning, and a table has little: what they add is CPU time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
