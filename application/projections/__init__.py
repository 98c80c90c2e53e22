"""How a read model is defined, and how its definition is recognised."""
