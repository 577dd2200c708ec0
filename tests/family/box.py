"""What is in the box of the family, and which of its figures fall short."""

SHORT: dict[str, set[str]] = {}
"""Figures below what is asked. README and the cards would say so; no other may join them."""
