"""Tables that were made elsewhere: from Parquet or CSV to the columns of a probability table."""
