"""Which readings of personal data go on record, and what can be asked about them."""
