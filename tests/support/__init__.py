"""What tests are written with: given, when, then; databases; waiting for conditions."""
