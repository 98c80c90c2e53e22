"""Pages for people, without scripts: the one that confirms an address, and the one that says what is here."""
