"""The search for a recipe under a budget: `textmill compress`."""
