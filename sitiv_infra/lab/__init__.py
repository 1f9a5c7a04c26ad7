"""Real servers on this machine: what tests, recordings and rehearsals run against."""
