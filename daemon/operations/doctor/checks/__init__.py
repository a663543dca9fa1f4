"""What is wrong, by what was seen. Each function takes one part of the facts and yields verdicts. Pure."""
