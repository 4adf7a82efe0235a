"""Writes Lango's packages for OpenWrt: .ipk for 24.10, .apk (version 3) from 25.12 on, and the index of each.

Owns: the formats, the signatures, and what a package holds beside its files. Reads `openwrt/manifest.toml`.
Never: compiles, or starts another program than `openssl` and, from `__main__`, `cross/build` and `git`.
The same input gives the same bytes. `tests/openwrt` reads all of it back with code of its own.
"""
