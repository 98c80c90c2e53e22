"""Pages for people, without scripts: what they have in common, and the one that says what is here."""
