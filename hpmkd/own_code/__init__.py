"""Code that users bring, networks and methods: how it is imported, copied, and what is said where it fails."""
