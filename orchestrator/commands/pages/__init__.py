"""What a run holds, gathered for a page."""
