"""Candidates for the settings of members: drawn, compared, stopped."""
