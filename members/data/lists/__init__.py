"""Lists of photographs as other people write them: their files, columns, paths and cells."""
