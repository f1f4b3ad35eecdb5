"""Figures of samples that need a reference: a classifier's features, distances on them, modes found."""
