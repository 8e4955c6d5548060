"""One network for several: the mean of their weights, where an honest score allows it."""
