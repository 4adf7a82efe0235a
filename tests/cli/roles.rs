//! The table of roles, as the README and the groups of rpcd say it, and what `lango check` says of names.

use std::collections::BTreeSet;

use lango::domain::Role;
use lango::wire::control::{Form, Joining, Meant, NewVouchers, Reprint, Request, Target, TypedCode, Whose};
use serde_json::Value;

use super::daemon::{code, lango, stdout};

fn every_request() -> Vec<Request> {
    let (code, mac) = (|| TypedCode::new("1".to_owned()), || "02:00:00:00:00:01".to_owned());
    let plan = || "hour".to_owned();
    vec![
        Request::Status,
        Request::Sessions,
        Request::PlanList,
        Request::Doctor { mac: None },
        Request::Metrics,
        Request::Clock,
        Request::Sync,
        Request::VoucherNew(NewVouchers { plan: plan(), count: 1, prefix: None, form: Form::Digits }),
        Request::VoucherShow { code: code() },
        Request::VoucherList { batch: None },
        Request::VoucherReprint(Reprint {
            batch: "B1".to_owned(),
            plan: None,
            prefix: None,
            form: Form::Digits,
            confirmed: false,
        }),
        Request::VoucherReport { batch: None },
        Request::VoucherRevoke { code: code() },
        Request::Topup { of: Meant::Code { code: code() }, seconds: 1, bytes: 0 },
        Request::Extend { of: Meant::Code { code: code() }, seconds: 1 },
        Request::Login { mac: mac(), plan: plan() },
        Request::Logout(Target::Mac { mac: mac() }),
        Request::Move { of: Meant::Code { code: code() }, to: mac() },
        Request::Merge { kept: Meant::Code { code: code() }, other: Meant::Code { code: code() } },
        Request::VoucherImport { rows: Vec::new(), dry_run: false },
        Request::SyncNow,
        Request::ClockReset,
        Request::KeyRotate,
        Request::Enrol(Joining { url: "https://a.b".to_owned(), claim: code(), ca: None }),
        Request::Refund { of: Meant::Code { code: code() }, reason: None },
        Request::Export { whose: Whose::All },
        Request::Forget { whose: Whose::All },
        Request::Backup,
        Request::Audit,
        Request::AuditVerify,
    ]
}

fn may(role: Role) -> BTreeSet<&'static str> {
    let posts = every_request().into_iter().map(|request| request.post());
    posts.filter(|(_, least)| *least <= role).map(|(name, _)| name).collect()
}

#[test]
fn the_readme_has_the_table() {
    let readme = include_str!("../../README.md");
    for role in Role::ALL {
        let posts = every_request().into_iter().map(|request| request.post());
        let names: Vec<_> =
            posts.filter(|(_, least)| *least == role).map(|(name, _)| format!("`{name}`")).collect();
        let row = format!("| `{role}` | {} |", names.join(", "));
        assert!(readme.contains(&row), "{row}");
    }
}

/// rpcd lets a session call what its groups name, and asks the daemon as root.
#[test]
fn the_groups_of_rpcd_are_the_roles() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/openwrt/luci-app-lango/root/usr/share/rpcd/acl.d/luci-app-lango.json"
    );
    let acl: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let methods = |group: &str, right: &str| -> BTreeSet<String> {
        let named = acl[group][right]["ubus"]["lango"].as_array().cloned().unwrap_or_default();
        named.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let command = |method: &String| method.replace("plans", "plan list").replace("voucher_", "voucher ");
    let commands = |group: &str| -> BTreeSet<String> {
        (&methods(group, "read") | &methods(group, "write")).iter().map(command).collect()
    };
    let all: BTreeSet<_> = acl.as_object().unwrap().keys().flat_map(|group| commands(group)).collect();
    for role in [Role::Viewer, Role::Cashier, Role::Support] {
        let expected: BTreeSet<_> = may(role).into_iter().map(str::to_owned).collect();
        assert_eq!(commands(&format!("lango-{role}")), &expected & &all, "{role}");
    }
    // The pages of LuCI, of which an operator may have some.
    for (group, right, role) in [
        ("luci-app-lango", "read", Role::Viewer),
        ("luci-app-lango", "write", Role::Support),
        ("luci-app-lango-vouchers", "read", Role::Cashier),
        ("luci-app-lango-vouchers", "write", Role::Cashier),
    ] {
        for method in methods(group, right) {
            assert!(may(role).contains(&*command(&method)), "{group} {right}: {method}");
        }
    }
}

#[test]
fn a_name_that_nobody_has_is_an_error_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lango");
    let check = |roles: &str| {
        let dir = dir.path().display();
        let text = format!(
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{dir}/state'\n{roles}"
        );
        std::fs::write(&config, text).unwrap();
        lango(&["check", "--config", config.to_str().unwrap()])
    };
    let right = check("config role 'cashier'\n\tlist user 'root'\n\tlist user '4711'\n\tlist group 'root'\n");
    assert_eq!(code(&right), 0, "{right:?}");
    let wrong = check(
        "config role 'viewer'\n\tlist user 'root'\n\tlist user 'no-such-user'\n\tlist group 'no-such-group'\n",
    );
    assert_eq!(code(&wrong), 78, "{wrong:?}");
    let place = config.display();
    for said in [
        format!(
            "{place}:6: user: there is no user 'no-such-user' in /etc/passwd; add it, or write its number"
        ),
        format!(
            "{place}:7: group: there is no group 'no-such-group' in /etc/group; add it, or write its number"
        ),
    ] {
        assert!(stdout(&wrong).lines().any(|line| line == said), "{said}: {wrong:?}");
    }
}
