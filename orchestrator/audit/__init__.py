"""Labels that are probably wrong: found in a run's OOF tables, written to be reviewed and corrected."""
