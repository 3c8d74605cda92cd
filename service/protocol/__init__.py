"""The wire types: what a request's body says, and how an answer is written. Bytes in, bytes out, no I/O.

`v1` is KServe's V1 protocol; `v2` is the Open Inference Protocol with the binary tensor extension.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.proof.entry import Protocol as ProtocolNumber

from . import v1, v2
from .base import Query, Reply

__all__ = ["Query", "Reply", "v1", "v2", "write"]

_V1_PREDICT: Final = ProtocolNumber.V1_PREDICT


def write(
    query: Query, answers: NDArray[np.float32], service: bytes, digest: bytes, request_id: str | None
) -> Reply:
    """An answer's body, in the request's protocol; `v1.encode_explanation` writes explanations.

    Args:
        query: the request.
        answers: [n] or [n, outputs].
        service: its name, as a JSON text.
        digest: the model's, as a JSON text.
        request_id: the client's own.
    """
    if query.protocol == _V1_PREDICT:
        return v1.encode(answers)
    return v2.encode(query, answers, service, digest, request_id)
