"""The first spec of some photographs: layout, photos, machine, networks, cost, choice, text."""
