"""Scores to glosses. The continuous chapters fill this room."""
