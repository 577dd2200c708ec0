"""The models in the box, their tokenizer, corpus and training."""
