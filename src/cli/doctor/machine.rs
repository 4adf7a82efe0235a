//! What the kernel shows in /proc, and the file system of the store.
//!
//! Owns: how much is enough. Never: files of the program.

use std::fs;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use super::{Finding, Seen};

const NET: &str = "/proc/sys/net";
/// The port of DHCP servers, as /proc/net/udp has it.
const DHCP: &str = ":0043";
/// Megabytes; below the first, programs are ended soon.
const MEMORY: [u64; 2] = [6, 16];
/// Bytes of flash; a day of a busy site is below the second.
const ROOM: [u64; 2] = [256 << 10, 1 << 20];
const RAMFS: i64 = 0x8584_58f6;

/// Without it, guests reach the portal and nothing else.
pub(super) fn forwarding(seen: &Seen<'_>) -> Finding {
    let off = |path: &str| number(path).is_some_and(|value| value == 0);
    let set = |name: &str| {
        format!(
            "sysctl -w {name}=1; for good: echo '{name}=1' >>/etc/sysctl.conf; does another program clear it?"
        )
    };
    if off("ipv4/ip_forward") {
        return Finding::fail("the kernel forwards no IPv4 packets", set("net.ipv4.ip_forward"));
    }
    if has_ipv6(&seen.place.interfaces) && off("ipv6/conf/all/forwarding") {
        return Finding::warn(
            "guests have IPv6 addresses, and the kernel forwards no IPv6 packets: their phones wait for nothing",
            set("net.ipv6.conf.all.forwarding"),
        );
    }
    Finding::ok("the kernel forwards packets")
}

/// Whether an interface has an IPv6 address that reaches beyond it.
fn has_ipv6(interfaces: &[String]) -> bool {
    let all = getifaddrs().into_iter().flatten();
    all.filter(|one| interfaces.contains(&one.interface_name))
        .filter_map(|one| one.address)
        .any(|address| address.as_sockaddr_in6().is_some_and(|address| !address.ip().is_unicast_link_local()))
}

/// When the kernel cannot follow one more connection, all new ones fail, those of who has paid too.
pub(super) fn connections(_: &Seen<'_>) -> Finding {
    let [used, most] = ["count", "max"].map(|what| number(&format!("netfilter/nf_conntrack_{what}")));
    let (Some(used), Some(most)) = (used, most) else {
        return Finding::warn(
            "the kernel does not follow connections",
            "is kmod-nf-conntrack installed? opkg install kmod-nf-conntrack kmod-nf-conntrack-netlink",
        );
    };
    if used.saturating_mul(5) < most.saturating_mul(4) {
        return Finding::ok(format!("{used} of at most {most} are followed"));
    }
    Finding::warn(
        format!("{used} of at most {most} are followed: soon new ones fail"),
        format!(
            "sysctl -w net.netfilter.nf_conntrack_max={}; lango sessions shows who uses much",
            most.saturating_mul(2)
        ),
    )
}

/// Whether somebody here gives guests addresses.
pub(super) fn dhcp(_: &Seen<'_>) -> Finding {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let local = |line: &str| line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(DHCP));
    if text.lines().any(local) {
        Finding::ok("a DHCP server runs on the gateway")
    } else {
        Finding::warn(
            "no DHCP server runs on the gateway: unless another gives guests addresses, phones do not join",
            "/etc/init.d/dnsmasq restart; is there a section dhcp for the guest network in /etc/config/dhcp?",
        )
    }
}

pub(super) fn memory(_: &Seen<'_>) -> Finding {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let Some(free) = free.map(|kilobytes| kilobytes >> 10) else {
        return Finding::warn("how much memory is free cannot be read", "is /proc mounted?");
    };
    let remedy = "ps w shows what takes it: stop what is not needed, or restart the device";
    let [least, little] = MEMORY;
    match free {
        _ if free < least => {
            Finding::fail(format!("{free} MB are free: programs are ended for want of it"), remedy)
        }
        _ if free < little => Finding::warn(format!("{free} MB are free"), remedy),
        _ => Finding::ok(format!("{free} MB are free")),
    }
}

/// Room for what is sold.
pub(super) fn room(seen: &Seen<'_>) -> Finding {
    let dir = &seen.place.state_dir;
    let Ok(found) = statfs(dir) else { return unseen(dir) };
    let free = found.blocks_available().saturating_mul(u64::try_from(found.block_size()).unwrap_or(0));
    let said = format!("{} kB are free for {}", free >> 10, dir.display());
    let remedy = "remove what is not needed: du -a /overlay/upper | sort -n | tail";
    let [least, little] = ROOM;
    match free {
        _ if free < least => Finding::fail(format!("{said}: soon nothing can be sold"), remedy),
        _ if free < little => Finding::warn(said, remedy),
        _ => Finding::ok(said),
    }
}

/// Whether what is sold outlives a power cut.
pub(super) fn keeping(seen: &Seen<'_>) -> Finding {
    let dir = &seen.place.state_dir;
    let Ok(found) = statfs(dir) else { return unseen(dir) };
    if [TMPFS_MAGIC, FsType(RAMFS as _)].contains(&found.filesystem_type()) {
        Finding::warn(
            format!(
                "{} is in memory: the next power cut forgets all vouchers and who has paid",
                dir.display()
            ),
            "option state_dir names a folder on flash, such as /etc/lango",
        )
    } else {
        Finding::ok(format!("{} is on a disk or flash", dir.display()))
    }
}

fn unseen(dir: &Path) -> Finding {
    Finding::warn(format!("{} cannot be seen", dir.display()), "run this command as root")
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(Path::new(NET).join(path)).ok()?.trim().parse().ok()
}
