"""The command `textmill quarantine`."""
