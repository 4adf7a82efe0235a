"""A small cloud for Lango: it issues, gets paid, and reads back what was sold. To test against, and to try Lango with.

One process, one SQLite file, standard library only; the `openssl` command makes certificates and signs pages.
`server` speaks the protocol of openapi.yaml, `feed` and `events` are its two logs, `store` keeps them, `codes` is what
both sides compute alike, `faults` are the misbehaviours that can be switched on, `admin` is the operator's side.
"""
