"""Stage two: light classifiers on cached features."""
