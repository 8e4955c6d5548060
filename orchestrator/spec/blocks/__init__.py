"""The parts of a spec that stand for themselves: photographs, resources, cache."""
