"""A trained ensemble as a web service: Ray Serve, one deployment a member, the vote in front."""
