"""Sample people, drawn: who they are (person), with what (pen), one photo at a time (portrait)."""
