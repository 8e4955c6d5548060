"""Where in a photograph a network sees a class: class-activation maps, and the layer that they are read from."""
