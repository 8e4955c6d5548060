"""What is left to do, what is done again and why, and which finished units are kept."""
