"""The wire types: what a request's body says, and how an answer is written. Bytes in, bytes out, no I/O.

`v1` is KServe's V1 protocol; `v2` is the Open Inference Protocol with the binary tensor extension.
"""
