"""The registry of metrics, their formulas and their influence functions."""
