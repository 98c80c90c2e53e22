"""The log: how events are stored, appended in groups, and read, by stream and by position."""
