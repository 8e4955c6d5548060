"""Votes that ask members one after the other, and stop where the rest can no longer change the answer."""
