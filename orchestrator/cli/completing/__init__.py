"""What may come next on a command line, for the shell that asks; no torch, Ray or pandas."""
