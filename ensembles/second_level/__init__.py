"""Stackers: a member whose table is made of other members' tables, by nested cross-fitting."""
