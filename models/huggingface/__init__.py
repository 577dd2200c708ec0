"""Any Hugging Face Transformer, recorded at the speed of its own attention function."""
