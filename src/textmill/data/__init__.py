"""From a labelled source to splits under a contract, and to token arrays."""
