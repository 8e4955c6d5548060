"""Spec files: parsed, merged, overridden, validated, every mistake with its line."""

from orchestrator.spec.load import load, located

__all__ = ["load", "located"]
