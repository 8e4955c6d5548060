"""From image files to arrays: decoding, cropping, caching, augmenting."""
