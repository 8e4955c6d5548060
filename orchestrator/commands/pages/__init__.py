"""Commands that write pages to look at: what a run holds, gathered for them."""
