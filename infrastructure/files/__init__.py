"""Files: written whole and private, and locked while somebody works on what they stand for."""
