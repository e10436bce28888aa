"""What modules share that speak to machines in words of theirs, and to the hub in its own."""
