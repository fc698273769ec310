"""What is done so that a pruned model answers as the whole one: bias, least squares, answers, distillation."""
