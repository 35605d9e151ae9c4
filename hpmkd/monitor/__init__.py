"""What is seen while models are trained: who runs, how far, how long still."""
