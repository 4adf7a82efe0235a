//! The users and groups of this system, by their two files.
//!
//! Owns: the reading of `/etc/passwd` and `/etc/group`. Never: any other directory of users: to ask one may take a
//! process, a socket or a library, which the daemon has none of once it is sealed.

use std::fs;

/// Who is there, as far as could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    /// As of now. A file that is not there has nobody in it, as in a jail.
    pub fn read() -> Self {
        let read = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Self::of(&read("/etc/passwd").unwrap_or_default(), &read("/etc/group").unwrap_or_default())
    }

    fn of(passwd: &str, group: &str) -> Self {
        Self { users: rows(passwd).collect(), groups: rows(group).collect() }
    }

    /// The number of a user, by name or number.
    pub fn user(&self, named: &str) -> Option<u32> {
        number(&self.users, named)
    }

    /// The number of a group, by name or number.
    pub fn group(&self, named: &str) -> Option<u32> {
        number(&self.groups, named)
    }

    /// What the user with a number is called.
    pub fn name_of(&self, user: u32) -> Option<&str> {
        self.users.iter().find(|(_, number)| *number == user).map(|(name, _)| name.as_str())
    }
}

fn number(of: &[(String, u32)], named: &str) -> Option<u32> {
    let found = of.iter().find(|(name, _)| name == named).map(|(_, number)| *number);
    // -1 is nobody's.
    found.or_else(|| named.parse().ok().filter(|number| *number != u32::MAX))
}

/// `name:password:number:…`
fn rows(text: &str) -> impl Iterator<Item = (String, u32)> + '_ {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_numbers_and_back() {
        let passwd = "root:x:0:0:root:/root:/bin/ash\nbroken\n:x:7:7\nasha:x:1001:100::/:/bin/false\n+::::::\n12:x:99:1\n";
        let accounts = Accounts::of(passwd, "root:x:0:\ntill:x:1100:asha,juma\n");
        assert_eq!(accounts.user("asha"), Some(1001));
        assert_eq!(accounts.user("1001"), Some(1001));
        assert_eq!(accounts.user("4711"), Some(4711), "a number needs no name");
        assert_eq!(accounts.user("12"), Some(99), "a name may be digits");
        assert_eq!(accounts.group("till"), Some(1100));
        for nobody in ["juma", "", "broken", "-1", "4294967295", "4294967296", "0x0"] {
            assert_eq!((accounts.user(nobody), accounts.group(nobody)), (None, None), "{nobody}");
        }
        assert_eq!((accounts.name_of(0), accounts.name_of(1001)), (Some("root"), Some("asha")));
        assert_eq!(accounts.name_of(4711), None);
    }
}
