"""Where the members of a run look in a photograph, and the vote of them, as pictures."""
