"""The web console: pages for the operator's browser, written by the daemon; off unless [api] console is set."""
