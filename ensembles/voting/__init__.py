"""From a request to a vote: options, the choice among kinds, casting, the record."""
