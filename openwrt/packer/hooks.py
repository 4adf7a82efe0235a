"""The scripts that a package manager runs, around those of the manifest.

OpenWrt's own functions do what every package needs: users, uci-defaults, services on and off. opkg finds the package's
own part in a file beside; for apk it is part of the script, and an upgrade is the installation with PKG_UPGRADE set.
"""

from .manifest import Package

_FUNCTIONS = """[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
"""
_UNLESS_TOLD_NOT_TO = """[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
"""


def for_opkg(package: Package) -> dict[str, bytes]:
    """Files beside `control`, all of them executable."""
    scripts = {
        "postinst": f"#!/bin/sh\n{_UNLESS_TOLD_NOT_TO}{_FUNCTIONS}default_postinst $0 $@\n",
        "prerm": f"#!/bin/sh\n{_FUNCTIONS}default_prerm $0 $@\n",
    }
    if package.postinst:
        scripts["postinst-pkg"] = f"{package.postinst}\n"
    if package.prerm:
        scripts["prerm-pkg"] = f"{package.prerm}\n"
    return {name: text.encode() for name, text in scripts.items()}


def for_apk(package: Package) -> dict[str, bytes]:
    """Scripts by the name that apk has for them."""
    named = f'export root="${{IPKG_INSTROOT}}"\nexport pkgname="{package.name}"\n'
    install = f"{_UNLESS_TOLD_NOT_TO}{_FUNCTIONS}{named}add_group_and_user\ndefault_postinst\n{_body(package.postinst)}"
    remove = f"{_FUNCTIONS}{named}default_prerm\n{_body(package.prerm)}"
    scripts = {
        "post-install": f"#!/bin/sh\n{install}",
        "post-upgrade": f"#!/bin/sh\nexport PKG_UPGRADE=1\n{install}",
        "pre-deinstall": f"#!/bin/sh\n{remove}",
    }
    return {name: text.encode() for name, text in scripts.items()}


def _body(script: str) -> str:
    return "".join(f"{line}\n" for line in script.splitlines() if not line.startswith("#!"))
