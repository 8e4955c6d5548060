"""Members that learn from other members: their keys, and what is wrong with them."""
