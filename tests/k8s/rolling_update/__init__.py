"""A rolling update of the gateways, played as Kubernetes does it: `python -m tests.k8s.rolling_update`.

The gateways are real processes with the arguments, environment, files, probes, preStop and grace of
k8s/base/gateway.yaml. Charge points charge over wss during the update. Played are:

- the Deployment controller: which pods start and end, with maxSurge and maxUnavailable (`deployment.py`)
- the kubelet: the probes, preStop, SIGTERM, and SIGKILL after the grace (`pod.py`)
- the Service: new connections go to pods that are ready, as the load balancer knows them (`service.py`)

A pod has a loopback address of its own, so that its ports are those of the manifest.
"""
