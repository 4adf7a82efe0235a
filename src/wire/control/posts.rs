//! Who may ask what: the one table of requests and roles.
//!
//! The README and the groups of `openwrt/luci-app-lango/root/usr/share/rpcd/acl.d` say the same, and tests hold them
//! to it.

use super::Request;
use crate::domain::Role;

impl Request {
    /// What it is called, and the least role that may ask it.
    pub fn post(&self) -> (&'static str, Role) {
        match self {
            Self::Status => ("status", Role::Viewer),
            Self::Sessions => ("sessions", Role::Viewer),
            Self::PlanList => ("plan list", Role::Viewer),
            Self::Doctor { .. } => ("doctor", Role::Viewer),
            Self::Metrics => ("metrics", Role::Viewer),
            Self::Clock => ("clock", Role::Viewer),
            Self::Sync => ("sync", Role::Viewer),
            Self::VoucherNew(_) => ("voucher new", Role::Cashier),
            Self::VoucherShow { .. } => ("voucher show", Role::Cashier),
            Self::VoucherList { .. } => ("voucher list", Role::Cashier),
            Self::VoucherReport { .. } => ("voucher report", Role::Cashier),
            Self::VoucherReprint(_) => ("voucher reprint", Role::Cashier),
            // Who has sold one by mistake takes it back.
            Self::VoucherRevoke { .. } => ("voucher revoke", Role::Cashier),
            // Whoever sells, sells more of it.
            Self::Topup { .. } => ("topup", Role::Cashier),
            Self::Extend { .. } => ("extend", Role::Cashier),
            Self::Login { .. } => ("login", Role::Support),
            Self::Logout(_) => ("logout", Role::Support),
            Self::Move { .. } => ("move", Role::Support),
            Self::Merge { .. } => ("merge", Role::Support),
            Self::VoucherImport { .. } => ("voucher import", Role::Admin),
            Self::SyncNow => ("sync --now", Role::Admin),
            Self::ClockReset => ("clock reset", Role::Admin),
            Self::KeyRotate => ("key rotate", Role::Admin),
            Self::Enrol(_) => ("enrol", Role::Admin),
            // It is money.
            Self::Refund { .. } => ("refund", Role::Admin),
            Self::Export { .. } => ("export", Role::Admin),
            Self::Forget { .. } => ("forget", Role::Admin),
            Self::Backup => ("backup", Role::Admin),
            Self::Audit => ("audit", Role::Admin),
            Self::AuditVerify => ("audit --verify", Role::Admin),
        }
    }
}
