"""`pinwheel top`: `reading` asks the daemon and makes a `seen` of it, with `facts` on what is looked at in detail.

`view` has what the keys choose, `frame` the picture of both, `terminal` the terminal. `seen`, `facts`, `view` and
`frame` are pure.
"""
