"""What a run holds as one page that needs nothing else: content in sections, pictures as SVG, one template."""
