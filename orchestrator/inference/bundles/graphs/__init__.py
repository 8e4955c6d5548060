"""Networks and votes as modules that exporters take: pixels or probabilities in, probabilities out."""
