"""The command line: one file a command, each parse → load → call → report."""
