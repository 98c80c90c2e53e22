"""The worker: everything that is done in the background, by duty."""
