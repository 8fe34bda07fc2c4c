"""The AI node: receive, complete, route, run, encode, deliver."""
