"""Plotly figures as pure functions, for notebooks and export: each returns a figure and never shows it."""

from viz.figures.heatmap import heatmap

__all__ = ["heatmap"]
