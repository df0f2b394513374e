"""Jobs, hooks, sensors and schedules, and running a job from a command.

Called by definitions and by the command line.
"""
