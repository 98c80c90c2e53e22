"""The rules of user accounts: aggregates, their events, values and errors. Plain Python, no technology."""
