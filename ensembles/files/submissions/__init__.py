"""Submission files of anyone: from bytes to rows, to columns, to answers or probabilities."""
