"""Photographs read for the first time: whether each can be, what it shows, and what is kept of that."""
