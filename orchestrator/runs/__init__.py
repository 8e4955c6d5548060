"""Run folders: where they are, how they are read and written."""
