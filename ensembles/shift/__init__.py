"""After the vote: whether test rows differ from the OOF rows, their class shares, and how sure it is."""
