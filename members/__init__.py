"""Train one network and predict with it: photographs in, probabilities out. No Ray here."""
