"""Everything that is stored about one person, as a package: JSON with its schemas, and a page to read."""
