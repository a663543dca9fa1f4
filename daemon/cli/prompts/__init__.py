"""`pinwheel prompts`: what calls say, made ahead of time, checked and heard without a daemon."""
