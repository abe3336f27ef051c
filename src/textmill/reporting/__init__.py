"""The page, the model card and the terminal summary: all from the reports of the stages, and from nothing else."""
