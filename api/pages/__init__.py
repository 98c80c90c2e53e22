"""Pages for people, without scripts: the one that confirms an address."""
