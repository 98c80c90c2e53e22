"""Builds read models from the log: new generations, and states of the past."""
