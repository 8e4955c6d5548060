"""Which of the shared folds a member trains, and what does not go with some of them."""
