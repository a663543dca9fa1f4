"""The doctor: what is wrong with this gateway, why, and the command that helps.

`facts` are what was seen, `checks` judge them, `registry` has one row for each check, `judging` runs them and hides
what only follows from something else: all of that is pure. `probing` gathers the facts on this machine, each with a
limit of time; `self_check` has what the daemon knows of itself, so that status, /healthz and metrics use the same rows.
"""
