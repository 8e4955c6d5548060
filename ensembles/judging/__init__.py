"""What a vote is worth: nested estimates, reasons for weights, evaluation against the truth."""
