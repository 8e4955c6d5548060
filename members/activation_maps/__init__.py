"""Where in a photograph a network sees a class: class-activation maps, and the layer they are read from."""
