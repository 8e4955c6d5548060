"""Train and ask one network: photographs in, probabilities out. Knows torch and timm, never Ray."""
