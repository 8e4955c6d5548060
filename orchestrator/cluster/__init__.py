"""Ray: joined or started, and given the runs that the planner hands out."""
