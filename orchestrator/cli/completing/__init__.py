"""What may come next on a command line, for the shell that asks; no torch, Ray or pandas."""

VARIABLE = "ENSEMBLE_COMPLETE"  # in which a shell asks; its value is which
