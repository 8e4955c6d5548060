"""From files and lists to a table of photographs with labels, groups and folds."""
