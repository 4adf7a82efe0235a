//! The form of the configuration: it has what the program knows, takes what `lango check` takes, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use lango::config::{gateway_default, parse, uci_sections};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Operator, Point, ROOT, SOON, desk};
use crate::harness::{Daemon, Lab, Settings, wait_until};

/// Holds every section and every option; a test of the program sees to that.
const FULL: &str = include_str!("../../golden/config/full.uci");

/// One of each section, with what it cannot do without.
const LEAST: &str = "config gateway 'main'\n\tlist interface 'br-guest'\n
config plan 'trial'\n
config garden\n\tlist name 'wa.me'\n
config device\n\toption mac '02:00:00:00:00:01'\n
config trial\n
config cloud\n\toption url 'https://bos.example.net'\n
config retention\n
config role 'viewer'\n\tlist user '0'\n";

/// Values that are right for some option, or nearly.
const TYPED: &str = include_str!("typed.json");

/// An option: its section and its name.
type Place = (String, String);

/// Every field of the page: where it stands, what is shown in grey, its help, and what may be chosen.
fn fields(operator: &Operator<'_>) -> BTreeMap<Place, Value> {
    let found = operator.window.run(
        "return Array.from(document.querySelectorAll('.cbi-value[data-name]'), node => ({
             section: node.closest('.cbi-section').id.slice('cbi-lango-'.length), name: node.dataset.name,
             title: node.querySelector('.cbi-value-title').innerText || node.querySelector('.cbi-value-title').textContent,
             grey: node.querySelector('input')?.placeholder || '',
             help: (node.querySelector('.cbi-value-description') || {}).textContent || '',
             checked: node.querySelector('input[type=checkbox]')?.checked ?? null,
             choices: Array.from(node.querySelectorAll('select option'), it => it.value) }))",
    );
    let place = |field: &Value| {
        let word = |name: &str| field[name].as_str().unwrap().to_owned();
        (word("section"), word("name"))
    };
    found.as_array().unwrap().iter().map(|field| (place(field), field.clone())).collect()
}

/// [`LEAST`], where one option says this.
fn with(place: &Place, value: &str) -> String {
    let (kind, name) = place;
    let quoted = value.replace('\'', "'\\''");
    let is_list = ["interface", "uplink_probe", "issuing_key"].contains(&name.as_str())
        || kind == "role"
        || kind == "garden" && ["name", "address", "port"].contains(&name.as_str());
    let line = format!("\t{} {name} '{quoted}'", if is_list { "list" } else { "option" });
    let (mut text, mut inside) = (Vec::new(), false);
    for old in LEAST.lines() {
        let head = old.strip_prefix("config ").and_then(|head| head.split(' ').next());
        inside = head.map_or(inside, |head| head == kind);
        let same_option = head.is_none() && inside && old.split([' ', '\t']).any(|word| word == name);
        if !same_option {
            text.push(old);
        }
        if head == Some(kind) {
            text.push(&line);
        }
    }
    text.join("\n")
}

/// Whether `lango check` has something to say against this option.
fn is_refused(place: &Place, value: &str) -> bool {
    match parse("lango", &with(place, value)) {
        Ok(_) => false,
        Err(errors) => errors.iter().any(|error| error.0.option == place.1),
    }
}

#[test]
fn the_form_has_what_the_program_knows_and_says_the_same_of_values() {
    let lab = Lab::new(0);
    let desk = desk();
    let operator = Operator::at(&lab, &desk);
    let point = Point::start(&lab, &desk, FULL, Path::new("/nowhere"));
    operator.open(ROOT, "config", "en");
    every_option_has_a_field_with_help(&operator);
    operator.picture("config");
    drop(point);
    let point = Point::start(&lab, &desk, LEAST, Path::new("/nowhere"));
    operator.open(ROOT, "config", "en");
    what_is_grey_is_the_default(&operator);
    every_value_is_judged_alike(&operator);
    drop(point);
}

fn every_option_has_a_field_with_help(operator: &Operator<'_>) {
    let shown = fields(operator);
    let known = uci_sections(FULL).unwrap();
    let known: Vec<Place> = known
        .iter()
        .flat_map(|section| section.options.iter().map(|(name, _)| (section.kind.clone(), name.clone())))
        .collect();
    let mut sorted = known.clone();
    sorted.sort();
    assert_eq!(shown.keys().cloned().collect::<Vec<_>>(), sorted);
    for (place, field) in &shown {
        let help = field["help"].as_str().unwrap();
        assert!(help.len() > 3 && !field["title"].as_str().unwrap().is_empty(), "{place:?}: {field}");
    }
}

fn what_is_grey_is_the_default(operator: &Operator<'_>) {
    let unset = parse("lango", LEAST).unwrap().config;
    for (place, field) in fields(operator) {
        let grey = field["grey"].as_str().unwrap();
        if !grey.is_empty() && place != ("garden".to_owned(), "port".to_owned()) {
            let set = parse("lango", &with(&place, grey)).unwrap().config;
            // Whether a file is named, and which, are two things for the token.
            assert!(place.1 == "token_file" || set == unset, "{place:?}: {grey} is not the default");
        }
        if place.0 == "gateway" && field["choices"] == json!([]) && field["checked"].is_null() {
            assert_eq!(grey, gateway_default(&place.1), "{place:?}");
        }
        if let Some(checked) = field["checked"].as_bool() {
            let same = parse("lango", &with(&place, if checked { "1" } else { "0" })).unwrap().config;
            assert_eq!(same, unset, "{place:?} is shown as {checked}");
        }
        for choice in field["choices"].as_array().unwrap() {
            let choice = choice.as_str().unwrap();
            assert!(!is_refused(&place, choice), "{place:?} {choice}");
        }
    }
}

/// Types all of [`TYPED`] into every field, and compares with the program.
fn every_value_is_judged_alike(operator: &Operator<'_>) {
    let script = format!(
        "return Array.from(document.querySelectorAll('.cbi-value[data-name] input[type=text]'), input => {{
             const node = input.closest('.cbi-value'), before = input.value;
             const wrong = {}.map(value => {{
                 input.value = value; input.dispatchEvent(new Event('blur'));
                 return input.classList.contains('cbi-input-invalid') ? input.dataset.tooltip || '?' : null;
             }});
             input.value = before; input.dispatchEvent(new Event('blur'));
             return {{ section: node.closest('.cbi-section').id.slice('cbi-lango-'.length), name: node.dataset.name, wrong }};
         }})",
        TYPED
    );
    let typed: Vec<String> = serde_json::from_str(TYPED).unwrap();
    let judged = operator.window.run(&script);
    let judged = judged.as_array().unwrap();
    assert!(judged.len() > 45, "{} fields", judged.len());
    let mut differ = Vec::new();
    for field in judged {
        let place =
            (field["section"].as_str().unwrap().to_owned(), field["name"].as_str().unwrap().to_owned());
        for (value, said) in typed.iter().zip(field["wrong"].as_array().unwrap()) {
            if said.is_null() == is_refused(&place, value) {
                differ.push(format!("{place:?} {value:?}: the form says {said}"));
            }
        }
    }
    assert!(differ.is_empty(), "{} differ from lango check:\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn what_is_saved_is_taken_by_the_program_and_what_is_wrong_is_not_saved() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &Settings::default().plan("hour", &[("metered", "1h")]));
    let before = std::fs::read_to_string(daemon.config()).unwrap();
    let desk = desk();
    let operator = Operator::at(&lab, &desk);
    let point = Point::start(&lab, &desk, &before, &daemon.socket());
    operator.open(ROOT, "config", "en");
    let field = |option: &str| format!("#widget\\.cbid\\.lango\\.main\\.{option}");
    let type_in = |selector: &str, value: &str| {
        operator.window.run(&format!(
            "const i = document.querySelector({}); i.value = {}; i.dispatchEvent(new Event('keyup')); i.dispatchEvent(new Event('blur'))",
            json!(selector), json!(value)
        ));
    };
    type_in(&field("title"), "Duka la <b>Mama</b> 'Asha'");
    type_in(&field("portal_port"), "99999");
    operator.press(".cbi-button-save");
    operator.reads("#modal_overlay", "1 to 65535");
    operator.picture("config-refused");
    operator.press("#modal_overlay button");
    operator.sees("!document.body.classList.contains('modal-overlay-active')");
    assert_eq!(uci_sections(&point.config()).unwrap(), uci_sections(&before).unwrap(), "nothing was saved");
    type_in(&field("portal_port"), "2090");
    type_in("#widget\\.cbid\\.lango\\.hour\\.price", "500");
    type_in("#cbi-lango-plan .cbi-section-create-name", "day");
    operator.window.run("document.querySelector('#cbi-lango-plan .cbi-section-create button').click()");
    operator.sees("document.querySelector('#widget\\\\.cbid\\\\.lango\\\\.day\\\\.metered')");
    type_in("#widget\\.cbid\\.lango\\.day\\.metered", "24h");
    operator.press(".cbi-button-apply");
    wait_until("the file", SOON, || point.config().contains("24h"));
    let saved = point.config();
    daemon.configure_text(&saved);
    let checked = daemon.check();
    assert_eq!(checked.code, 0, "{checked:?}\n{saved}");
    daemon.signal(Signal::SIGHUP);
    wait_until("the new plan", SOON, || {
        daemon
            .json(&["plan", "list"])
            .as_array()
            .unwrap()
            .iter()
            .any(|plan| plan["id"] == "day" && plan["metered_s"] == 86_400)
    });
    let config = parse("lango", &saved).unwrap().config;
    assert_eq!(
        (config.gateway.title.as_str(), config.gateway.portal_port),
        ("Duka la <b>Mama</b> 'Asha'", 2090)
    );
    assert_eq!(config.plans.iter().map(|plan| plan.price.as_str()).collect::<Vec<_>>(), ["500", ""]);
}
