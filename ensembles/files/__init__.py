"""Probability tables and submission files, read, checked, aligned and written."""
