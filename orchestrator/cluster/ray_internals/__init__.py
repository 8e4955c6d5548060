"""All that is imported from Ray's private modules: what it buys, and what is done without it."""
