"""Tests of the code in the folder of the same name."""
