"""What to run, where and in what order: the commands and Ray. `Ensemble` is a trained one in a program."""

from typing import TYPE_CHECKING

__all__ = ["Ensemble"]

if TYPE_CHECKING:
    from orchestrator.inference.ensemble import Ensemble as Ensemble
else:

    def __getattr__(name):
        """Imported at its first use: importing this package is instant."""
        if name != "Ensemble":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from orchestrator.inference.ensemble import Ensemble

        return Ensemble
