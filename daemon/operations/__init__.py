"""What an operator runs and sees: the start, the journal, the state, reloading."""
