"""From image files to arrays: decoding, scanning, cropping, caching, augmenting."""
