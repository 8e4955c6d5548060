"""Combine many probability tables: tables in, a vote out. Knows numpy and pyarrow, never torch or Ray."""
