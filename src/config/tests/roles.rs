//! Section `role`.

use super::*;
use crate::domain::Role;

fn with(sections: &str) -> String {
    format!("config gateway 'main'\n\tlist interface 'br-guest'\n{sections}")
}

#[test]
fn users_and_groups_are_read_with_their_roles_and_lines() {
    let text = with(
        "config role 'cashier'\n\tlist user 'asha'\n\tlist user '1002'\n\tlist group 'till'\n\
         config role 'admin'\n\toption group 'wheel'\n",
    );
    let parsed = parse("lango", &text).unwrap();
    let member = |role, kin, name: &str| Member { role, kin, name: name.to_owned() };
    let expected = [
        member(Role::Cashier, Kin::User, "asha"),
        member(Role::Cashier, Kin::User, "1002"),
        member(Role::Cashier, Kin::Group, "till"),
        member(Role::Admin, Kin::Group, "wheel"),
    ];
    assert_eq!(parsed.config.roles, expected);
    let line = |at| parsed.error_of_member(at, "user", "").0.line;
    assert_eq!([0, 1, 2, 3].map(line), [4, 5, 6, 8]);
    assert_eq!(parse("lango", &with("")).unwrap().config.roles, []);
}

#[test]
fn roles_that_are_none_and_names_that_are_none_are_told() {
    for (section, line, option, what) in [
        (
            "config role 'boss'\n\tlist user 'asha'\n",
            3,
            "role",
            "no role 'boss'; write one of viewer, cashier",
        ),
        ("config role\n\tlist user 'asha'\n", 3, "role", "the role has no name"),
        ("config role 'viewer'\n", 3, "role", "nobody has the role"),
        ("config role 'viewer'\n\tlist users 'asha'\n", 4, "users", "did you mean 'user'?"),
        ("config role 'viewer'\n\tlist user 'a b'\n", 4, "user", "user or group of this system"),
        ("config role 'viewer'\n\tlist user 'asha'\n\tlist group '-x'\n", 5, "group", "user or group"),
        ("config roles 'viewer'\n", 3, "roles", "did you mean 'role'?"),
    ] {
        let errors = wrong(&with(section));
        let told = errors.iter().find(|error| error.0.line == line && error.0.option == option);
        assert!(told.is_some_and(|error| error.0.what.contains(what)), "{section}: {errors:?}");
    }
}
