"""A trained ensemble asked about new photographs: what it is made of, its networks, their vote."""
