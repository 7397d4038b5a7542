"""Hypothesis profiles: `pytest --hypothesis-profile=thorough tests/policy` searches long, a change searches briefly.

Tests that set no `max_examples`, or a share of the profile's, follow the profile.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("thorough", max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
