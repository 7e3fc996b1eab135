"""What the pieces of a delivery cost by themselves on this machine: no design can be cheaper than their sum."""
