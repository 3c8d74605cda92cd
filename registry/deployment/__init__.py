"""Deployments: signed events in the governance log that say which packages answer for a service.

`event` is what is signed, `steps` what moves on by itself, `fold` which events count and what they leave served,
`change` how the next event comes about. All pure; the gateway (service/admitted.py) and `affiant deploy`
(cli/deploy.py) bring log, clock and keys.
"""

from .event import CONTROLLER_ROLE, DEPLOY_ROLE, Deployment, Placed, Steps, encode_deployment
from .fold import Deployed, Fold, ever_named, fold_deployments
from .standing import Event
from .steps import Rollout

__all__ = [
    "CONTROLLER_ROLE",
    "DEPLOY_ROLE",
    "Deployed",
    "Deployment",
    "Event",
    "Fold",
    "Placed",
    "Rollout",
    "Steps",
    "encode_deployment",
    "ever_named",
    "fold_deployments",
]
