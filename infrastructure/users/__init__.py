"""Answers questions about people's accounts, and sends the mails that these cause."""
