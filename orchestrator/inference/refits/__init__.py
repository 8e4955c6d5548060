"""An ensemble with networks that were trained on all rows, in place of those of the folds."""
