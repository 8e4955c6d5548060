"""A run as one page that needs nothing else: content in sections, pictures as SVG, one template."""
