"""Votes over tables too large for memory, one range of rows after the other."""
