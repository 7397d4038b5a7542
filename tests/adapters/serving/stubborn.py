"""A child that reads its start message, ignores SIGTERM and says so on stderr; for test_child."""

import signal
import sys
import time

from ipa.adapters.serving.lifeline import read_start_message

if __name__ == "__main__":
    message = read_start_message()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stderr.write(f"first line\nstubborn: {message['word']}\n\n")
    sys.stderr.flush()
    time.sleep(600)
