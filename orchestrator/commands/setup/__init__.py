"""The command that comes before the first spec: `init`."""
