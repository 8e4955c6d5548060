"""Arrays and frames as callers of the classes and functions give them, checked and in one order."""
