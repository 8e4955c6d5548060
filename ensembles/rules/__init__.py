"""From the members' probabilities to the vote's: hard, linear and log-linear pools."""
