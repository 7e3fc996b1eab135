"""What an alert costs one agency's own machine: its production node alone in a process, and a hub that is scripted."""
