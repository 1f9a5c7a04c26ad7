"""Segmentation, exactly: what a live rule base lets through against what is declared."""
