"""What `bench_study` sends, watches and draws."""
