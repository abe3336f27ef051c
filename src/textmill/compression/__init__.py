"""Methods that make a model smaller or faster, one file each, and the recipes that chain them."""
