"""The page's content: a function for each section, from what was read of the run to blocks."""
