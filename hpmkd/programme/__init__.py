"""One sweep, or a programme of several in one folder."""
