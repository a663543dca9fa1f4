"""`pinwheel prompts`: the speech of calls is made, checked and played without a daemon."""
