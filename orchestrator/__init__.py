"""What to run, where and in what order: the commands and Ray."""
