"""What the node can write: one object set of every kind, made by the encoders that the node runs."""
