"""`pinwheel top`: `frame` and `view` are pure; `reading` asks the daemon, `terminal` has the terminal."""
