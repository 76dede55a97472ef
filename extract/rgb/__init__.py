"""Crops around the people, and frozen image networks for them."""
