"""Sample people, drawn: who (person), where (scene), with what (pen), one photo (portrait)."""
