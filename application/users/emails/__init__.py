"""Email addresses: claimed, asked for, confirmed."""
