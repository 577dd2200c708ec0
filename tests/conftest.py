"""What holds for every test: offline, at most two threads, unhurried Hypothesis."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("OMP_NUM_THREADS", "2")  # read by torch when it is imported

from hypothesis import HealthCheck, settings

PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("house", **PATIENT)
settings.register_profile("ci", derandomize=True, **PATIENT)
settings.load_profile("ci" if os.environ.get("CI") else "house")
