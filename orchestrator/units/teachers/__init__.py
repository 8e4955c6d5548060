"""What other members' units teach a unit, read from their tables."""
