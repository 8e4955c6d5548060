"""Units of training (member, fold, seed): identity, files, record, tables made of them."""
