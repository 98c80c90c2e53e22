"""The use cases, one module each; what the read models mean; and the ports to the world."""
