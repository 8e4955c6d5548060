"""Many photographs: asked in blocks whose answers are kept, here or on a Ray, and gone on with."""
