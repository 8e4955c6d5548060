"""The `predict.py` of bundles: copied into them, each with what it needs and nothing of this package."""
