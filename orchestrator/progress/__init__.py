"""How far a training is: what its schedule tells, how long the rest takes, and `progress.json`."""
