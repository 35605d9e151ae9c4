"""Ray as processes: started, watched, ended; what a trial gets of a machine."""
