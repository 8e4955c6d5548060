"""What needs the packages of the extra `serve` is left out where they are not installed."""

from __future__ import annotations

from importlib.util import find_spec

_THERE = all(map(find_spec, ("fastapi", "python_multipart", "prometheus_client")))
collect_ignore = [] if _THERE else ["test_requests.py", "test_config_files.py", "test_service.py"]
