"""Stores made from stores or arrays: merged, cut down, in another precision."""
