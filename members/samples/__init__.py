"""Photographs to try everything out: drawn people, and solar cells from a package."""
