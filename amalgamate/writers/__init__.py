"""Writers of a plan: the model file, and the C pair."""
