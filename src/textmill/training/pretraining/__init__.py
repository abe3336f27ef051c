"""Language modelling on the user's own text: masked (encoders) or causal (decoders)."""
