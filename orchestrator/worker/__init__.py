"""What runs in a training process: a job's units, one after the other."""
