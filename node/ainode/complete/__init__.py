"""The complete stage: says when a study is ready, or why it waits."""
