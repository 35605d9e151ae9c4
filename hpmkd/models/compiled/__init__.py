"""LeNet5's convolutional part, compiled on the user's machine. numba is imported here alone, and on first use."""
