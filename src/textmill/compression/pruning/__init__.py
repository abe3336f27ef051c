"""What prune and sparsify are made of: importance of what could leave, the cut, the target, the rounds."""
