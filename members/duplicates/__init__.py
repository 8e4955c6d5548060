"""Photographs that show the same picture: what each looks like, and which are copies."""
