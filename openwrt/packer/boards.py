"""Which binary runs on which boards: OpenWrt names packages by processor, and two ARM binaries serve nearly all."""

from typing import Final

AARCH64: Final = "aarch64-unknown-linux-musl"
ARMV7: Final = "armv7-unknown-linux-musleabihf"
X86_64: Final = "x86_64-unknown-linux-musl"

# OpenWrt's architecture string, and the target of cross/build whose binary its boards run.
TARGETS: Final[dict[str, str]] = {
    "aarch64_cortex-a53": AARCH64,
    "aarch64_cortex-a72": AARCH64,
    "aarch64_cortex-a76": AARCH64,
    "aarch64_generic": AARCH64,
    "arm_cortex-a7_neon-vfpv4": ARMV7,
    "arm_cortex-a15_neon-vfpv4": ARMV7,
    "arm_cortex-a9_vfpv3-d16": ARMV7,
    "x86_64": X86_64,
}

# What is built without being asked for: the boards most sold (MediaTek filogic and the like; ipq40xx).
USUAL: Final = ("aarch64_cortex-a53", "arm_cortex-a7_neon-vfpv4")
