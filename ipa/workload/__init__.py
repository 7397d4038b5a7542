"""Traces and arrival processes: expressions and counts in, arrival times out. No file is opened here."""
