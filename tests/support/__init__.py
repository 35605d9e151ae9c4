"""What tests share: builders of configs and models, sweeps as commands, a model of a disk that forgets."""
