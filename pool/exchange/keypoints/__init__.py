"""Keypoints as other programs write them: one record for all of their files, and stores made of it."""
