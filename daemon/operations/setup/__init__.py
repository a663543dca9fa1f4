"""`pinwheel setup`: from a stick and a trunk to a verified number.

`dialogue` says what is asked or done next; it is pure. `tasks` does it: `modems` finds sticks, `trial`
uses the drivers as the daemon does, `plan` makes the new files, `writing` puts them in place. `daemon.cli.setup` prints
and reads.
"""
