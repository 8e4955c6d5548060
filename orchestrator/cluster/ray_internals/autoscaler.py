"""What the autoscaler of a joined Ray does, and what it is asked for.

A Ray of another minor version may lack any of it; each function says what is done then.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def has_autoscaler(address: str) -> bool:
    """Whether the cluster can start nodes by itself. Without these parts of Ray: taken as it can.

    `ray start` runs one on every head; without node types it only looks, and calls the nodes
    `node_<id>`.
    """
    try:
        types = _node_types(address)
    except (ImportError, AttributeError, KeyError):
        return True
    return any(not name.startswith("node_") for name in types)


def nodes_to_come(address: str) -> str | None:
    """Nodes that the autoscaler starts, or tries to; None where there are none.

    Without these parts of Ray: that it is not known, so that a caller waits on.
    """
    try:
        coming, failed = _launches(address)
    except (ImportError, AttributeError, KeyError):
        return "this Ray does not tell whether its autoscaler starts any"
    texts = [f"{n} of type {name} being started" for name, n in coming.items()]
    texts += [f"type {name} could not be started: {why}" for name, why in failed.items()]
    return "; ".join(texts) or None


def ask(name: str, bundles: list[dict[str, float]], seconds: float) -> None:
    """That it has nodes for `bundles`, besides what others ask for, until `seconds` from now.

    Train asks for the nodes of its runs at the same place every 20 s, which would replace a request
    made the public way; that one also stays for ever where the command that made it is killed.
    """
    try:
        from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator as own

        coordinator = own.get_or_create_autoscaling_coordinator()
        request = coordinator.request_resources.remote
    except (ImportError, AttributeError):
        from ray.autoscaler.sdk import request_resources

        request_resources(bundles=bundles)
        return
    request(requester_id=name, resources=bundles, expire_after_s=seconds)


def withdraw(name: str) -> None:
    """What `ask` asked for."""
    import ray

    try:
        from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator as own

        coordinator = own.get_or_create_autoscaling_coordinator()
        withdrawn = coordinator.cancel_request.remote(name)
    except (ImportError, AttributeError):
        from ray.autoscaler.sdk import request_resources

        request_resources(bundles=[])
        return
    ray.get(withdrawn, timeout=10)


def _node_types(address: str) -> list[str]:
    from ray.autoscaler.v2.sdk import get_cluster_status

    if (report := _report_of_v1()) is not None:
        return list(report["node_type_mapping"].values())
    status = get_cluster_status(address)
    return [node.ray_node_type_name for node in [*status.active_nodes, *status.idle_nodes]]


def _launches(address: str) -> tuple[dict[str, int], dict[str, str]]:
    """Nodes on their way, by type, and why the last try at a type failed."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    report = _report_of_v1()
    if report is None:
        status = get_cluster_status(address)
        names = [node.ray_node_type_name for node in status.pending_nodes]
        names += [
            one.ray_node_type_name for one in status.pending_launches for _ in range(one.count)
        ]
        failed = {one.ray_node_type_name: one.details or "?" for one in status.failed_launches}
        return dict(Counter(names)), failed
    coming = Counter(report["pending_launches"])
    coming.update(kind for *_, kind, _ in report["pending_nodes"])
    known = report["node_availability_summary"]["node_availabilities"].values()
    failed = {
        each["node_type"]: why["description"]
        for each in known
        if not each["is_available"] and (why := each["unavailable_node_information"])
    }
    return dict(coming), failed


def _report_of_v1() -> dict[str, Any] | None:
    """What the autoscaler of version 1 last wrote down; None where version 2 runs, or none yet."""
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.autoscaler.v2.utils import is_autoscaler_v2
    from ray.experimental.internal_kv import _internal_kv_get

    if is_autoscaler_v2():
        return None
    written = _internal_kv_get(DEBUG_AUTOSCALING_STATUS.encode())
    return json.loads(written)["autoscaler_report"] if written else None
