"""What puts the clocks of processes out."""
