"""How the mistakes of a spec are said, and where to look for keys of other programs."""
