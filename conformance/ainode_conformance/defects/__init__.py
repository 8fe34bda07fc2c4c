"""Results with one thing made wrong each: a checker that finds nothing in them would prove nothing in ours."""
