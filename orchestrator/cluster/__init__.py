"""Ray: joined or started, watched while it is used; and what the machine can hold."""
