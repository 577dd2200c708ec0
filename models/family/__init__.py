"""The models in the box that are ordinary transformers architectures: what each learns and how it is measured."""
