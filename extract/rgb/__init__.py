"""Crops around the persons, and frozen image networks for them."""
