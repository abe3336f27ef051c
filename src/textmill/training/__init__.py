"""The Lightning training loop and the search around it; neither needs MLflow, DVC or Great Expectations."""
