"""Tests: a sentence about each rule, use case, technology and URL."""
