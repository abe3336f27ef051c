"""The MLflow model registry: versions with evidence, the promotion gate, and the aliases it guards."""
