"""The live view during training: running models, their progress, the time left."""
