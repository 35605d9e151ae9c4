"""Every file of an output: its name, its format, how it is written atomically, and what it is worth."""
