"""Training one network on one fold, and its probabilities."""
