"""Actions from pooled heatmap features: extract once, train often."""
