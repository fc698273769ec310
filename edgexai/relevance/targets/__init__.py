"""What is explained: a class against others, a box, a mask, and what stands in front of the output."""
