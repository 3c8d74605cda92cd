"""OpenSSF model signatures (model-signing 1): who made a package, said in a form that others' tools verify.

A signature is a Sigstore bundle with a DSSE envelope around an in-toto statement. What is signed is the list of the
package's files as `affiant model pull` writes them, `manifest.json` among them: so it is a signature of one digest.

Nothing here asks Sigstore's services anything: keys and certificate chains only. The library is imported by
`verify` and `sign` alone, and nothing that the gateway imports imports those.
"""
