"""All that is held about one person, as a package to hand over: JSON with its schemas, and a page to read."""
