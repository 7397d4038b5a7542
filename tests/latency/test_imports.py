from __future__ import annotations

import subprocess
import sys


def test_tables_are_priced_without_numpy() -> None:
    """Most configs price tables; `ipa` must start fast for them."""
    code = "import sys, ipa.latency as l; l.MODELS['table'](((1, 0.1),)); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
