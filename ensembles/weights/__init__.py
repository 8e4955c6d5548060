"""Weights fitted to OOF rows: certified log-loss, exact line searches, greedy selection, offsets."""
