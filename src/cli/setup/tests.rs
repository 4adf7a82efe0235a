//! Plans for the settings that OpenWrt 24.10 and 25.12 begin with, and for settings in the way.

use super::plan::Refusal;
use super::*;
use crate::config;

const LANGO: &str = include_str!("../../../openwrt/lango/files/lango.config");

/// The files of a fresh OpenWrt, with Lango's as it is shipped.
macro_rules! stock {
    ($version:literal) => {
        [
            ("network", include_str!(concat!("../../../tests/openwrt/stock/", $version, "/network"))),
            ("dhcp", include_str!(concat!("../../../tests/openwrt/stock/", $version, "/dhcp"))),
            ("firewall", include_str!(concat!("../../../tests/openwrt/stock/", $version, "/firewall"))),
            ("wireless", include_str!(concat!("../../../tests/openwrt/stock/", $version, "/wireless"))),
            ("lango", LANGO),
        ]
    };
}

/// Those files with `more` behind one of them.
fn settings(files: [(&'static str, &str); 5], package: &str, more: &str) -> Settings {
    let read = |(name, text): (&'static str, &str)| {
        let text = if name == package { format!("{text}\n{more}") } else { text.to_owned() };
        (name, config::uci_sections(&text).unwrap())
    };
    Settings(files.into_iter().map(read).collect())
}

fn commands(plan: &Plan) -> Vec<String> {
    plan.changes.iter().flat_map(|change| change.step.commands()).collect()
}

fn why_not(package: &str, more: &str) -> String {
    let Refusal { why, remedy } = plan(&settings(stock!("25.12"), package, more)).unwrap_err();
    assert!(!remedy.is_empty());
    why
}

#[test]
fn a_fresh_openwrt_of_either_version_gets_all_that_a_hotspot_needs() {
    let expected = "
        set network.guest_bridge='device'
        set network.guest_bridge.name='br-guest'
        set network.guest_bridge.type='bridge'
        set network.guest_bridge.bridge_empty='1'
        set network.guest='interface'
        set network.guest.proto='static'
        set network.guest.device='br-guest'
        set network.guest.ipaddr='10.77.0.1'
        set network.guest.netmask='255.255.240.0'
        set network.guest.ip6assign='64'
        set dhcp.guest='dhcp'
        set dhcp.guest.interface='guest'
        set dhcp.guest.start='256'
        set dhcp.guest.limit='3834'
        set dhcp.guest.leasetime='1h'
        set dhcp.guest.dhcpv4='server'
        set dhcp.guest.ra='server'
        set dhcp.guest.dhcpv6='disabled'
        add_list dhcp.@dnsmasq[0].address='/wifi.lango/10.77.0.1'
        set firewall.guest='zone'
        set firewall.guest.name='guest'
        set firewall.guest.input='REJECT'
        set firewall.guest.output='ACCEPT'
        set firewall.guest.forward='REJECT'
        add_list firewall.guest.network='guest'
        set firewall.guest_wan='forwarding'
        set firewall.guest_wan.src='guest'
        set firewall.guest_wan.dest='wan'
        set wireless.guest_radio0='wifi-iface'
        set wireless.guest_radio0.device='radio0'
        set wireless.guest_radio0.network='guest'
        set wireless.guest_radio0.mode='ap'
        set wireless.guest_radio0.ssid='Wi-Fi'
        set wireless.guest_radio0.encryption='none'
        set wireless.guest_radio0.isolate='1'
        set wireless.guest_radio1='wifi-iface'
        set wireless.guest_radio1.device='radio1'
        set wireless.guest_radio1.network='guest'
        set wireless.guest_radio1.mode='ap'
        set wireless.guest_radio1.ssid='Wi-Fi'
        set wireless.guest_radio1.encryption='none'
        set wireless.guest_radio1.isolate='1'
        set lango.main.enabled='1'";
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for (files, switched_off) in [(stock!("24.10"), 2), (stock!("25.12"), 0)] {
        let plan = plan(&settings(files, "", "")).unwrap();
        assert_eq!(commands(&plan), expected);
        assert_eq!(plan.notes.len(), switched_off, "{:?}", plan.notes);
    }
}

#[test]
fn what_is_there_is_used_as_it_is() {
    let own = "config interface 'hotspot'\n\toption device 'br-guest'\n\toption proto 'static'\n\
               \tlist ipaddr '172.20.0.1/24'\n";
    let plan = plan(&settings(stock!("25.12"), "network", own)).unwrap();
    let commands = commands(&plan);
    assert!(!commands.iter().any(|line| line.contains("set network.")), "{commands:#?}");
    for line in [
        "set dhcp.hotspot.start='10'",
        "set dhcp.hotspot.limit='240'",
        "add_list dhcp.@dnsmasq[0].address='/wifi.lango/172.20.0.1'",
        "add_list firewall.guest.network='hotspot'",
        "set wireless.guest_radio0.network='hotspot'",
    ] {
        assert!(commands.iter().any(|one| one == line), "{line} is not in {commands:#?}");
    }
    let called_guest = "config interface 'guest'\n\toption device 'br-yard'\n\toption proto 'static'\n\
                        \toption ipaddr '10.1.0.1'\n\toption netmask '255.255.0.0'\n";
    let plan = super::plan::plan(&settings(stock!("24.10"), "network", called_guest)).unwrap();
    assert!(self::commands(&plan).contains(&"add_list lango.main.interface='br-yard'".to_owned()));
}

#[test]
fn an_address_is_taken_that_is_nobodys() {
    for (more, expected) in [
        ("list ipaddr '10.77.9.1/24'", "10.78.0.1"),
        ("option ipaddr '10.77.9.1'\n\toption netmask '255.255.255.0'", "10.78.0.1"),
        ("list ipaddr '10.77.16.1/24'", "10.77.0.1"),
        ("list ipaddr '10.77.0.1/10'", "10.128.0.1"),
    ] {
        let more = format!("config interface 'office'\n\toption proto 'static'\n\t{more}\n");
        let plan = plan(&settings(stock!("25.12"), "network", &more)).unwrap();
        let line = format!("set network.guest.ipaddr='{expected}'");
        assert!(commands(&plan).contains(&line), "{more}");
    }
    let all = "config interface 'office'\n\toption proto 'static'\n\toption ipaddr '10.0.0.1/8'\n";
    assert!(why_not("network", all).contains("no network of 10.0.0.0/8 is free"));
}

#[test]
fn what_is_in_the_way_is_said_and_nothing_is_planned() {
    for (package, more, why) in [
        ("network", "config device 'guest'\n\toption name 'x'\n", "network has a section guest"),
        ("network", "config interface 'guest'\n\toption proto 'none'\n", "has no name or no device"),
        (
            "network",
            "config interface 'guest'\n\toption device 'x'\n\toption proto 'dhcp'\n",
            "network.guest has no address of its own",
        ),
        ("firewall", "config zone\n\toption name 'guest'\n", "the firewall has a zone guest"),
    ] {
        assert!(why_not(package, more).contains(why), "{}", why_not(package, more));
    }
    let without = |package: &str, kind: &str| {
        let mut settings = settings(stock!("24.10"), "", "");
        let of = settings.0.iter_mut().find(|(name, _)| *name == package).unwrap();
        of.1.retain(|section| section.kind != kind);
        plan(&settings)
    };
    assert!(without("dhcp", "dnsmasq").unwrap_err().why.contains("no dnsmasq"));
    assert!(
        without("firewall", "zone").unwrap_err().why.contains("no zone of the firewall has the network wan")
    );
    let no_wifi = without("wireless", "wifi-device").unwrap();
    assert!(no_wifi.notes.iter().any(|note| note.contains("there is no Wi-Fi here")), "{:?}", no_wifi.notes);
}

#[test]
fn the_operators_own_network_never_becomes_the_guests() {
    let mut settings = settings(stock!("25.12"), "", "");
    let gateway =
        settings.0.iter_mut().flat_map(|(_, sections)| sections).find(|it| it.kind == "gateway").unwrap();
    let named = gateway.options.iter_mut().find(|(name, _)| name == "interface").unwrap();
    named.1 = vec!["br-lan".to_owned()];
    let Refusal { why, remedy } = plan(&settings).unwrap_err();
    assert!(why.contains("is the one of network lan") && remedy.contains("lock yourself out"), "{why}");
}

#[test]
fn values_are_quoted_as_uci_reads_them() {
    assert_eq!(plan::quoted("Mama's Wi-Fi"), "'Mama'\\''s Wi-Fi'");
    assert_eq!(packages_of(&["set network.guest.a='b.c d'".to_owned()]), ["network".to_owned()]);
}
