"""HTTP on the socket: routes in `app`, Verify in `verify`, the operator's part in `operator`, the wire in `server`."""
