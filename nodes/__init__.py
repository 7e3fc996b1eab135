"""What runs at an agency: the node daemon, the command line of its officers, the tool of the auditors."""
