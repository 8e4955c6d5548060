"""Runs of worker processes on Ray: what is given out when, watched, and begun again where it died."""
