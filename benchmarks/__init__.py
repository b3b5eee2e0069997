"""Speed, memory and accuracy of each layer, measured by asv; never asserted by a test."""
