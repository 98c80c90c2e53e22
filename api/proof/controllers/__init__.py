"""The URLs of the proof."""
