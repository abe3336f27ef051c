"""The search for hyperparameters: an Optuna study that can be killed, shared by many workers, watched and trusted."""
