"""What several judged runs say together: matrices, comparisons, thresholds, bisections, remedies. Pure."""
