"""A rolling update and a scale-down of the gateways, played as Kubernetes does it.

`python -m tests.k8s.rolling_update` renders the overlay prod. The gateways are real processes with its
number, arguments, environment, files, probes, preStop and grace. Charge points charge over wss meanwhile:
those of `fleet.py`, or those of a scenario of the load test (`load_test.py`). Played are:

- the Deployment controller: which pods start and end, with maxSurge and maxUnavailable (`deployment.py`)
- the kubelet: the probes, preStop, SIGTERM, and SIGKILL after the grace (`pod.py`)
- the Service: new connections go to pods that are ready, as the load balancer knows them (`service.py`)

A pod has a loopback address of its own, so that its ports are those of the manifest. The epochs of the leases
show how often each charge point connected (`moves.py`).
"""
