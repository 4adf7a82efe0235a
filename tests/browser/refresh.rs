//! Pages that load themselves anew: where somebody sees them and when it is time, not in a window that is hidden,
//! and not while somebody types. Their clock is put forward, so that nobody waits.

use serde_json::json;

use crate::chromium::{Chromium, SOON};
use crate::harness::{Cloud, Daemon, Lab, wait_until};
use crate::walks::{end_here, page};
use crate::{settings, text};

/// Before a page's own script runs: its clock can be put forward, and the ticks of its timers are counted.
const CLOCK: &str = "(() => {
    const now = Date.now, every = setInterval;
    let ahead = 0;
    window.ticks = 0;
    window.later = seconds => { ahead += seconds * 1000 };
    Date.now = () => now() + ahead;
    window.setInterval = (work, pause) => every(() => { work(); ticks++ }, pause);
})()";
/// The page is shown still that `mark` has marked.
const IS_MARKED: &str = "return window.marked === true";
/// So many ticks are enough for a page to do what it is about to do.
const TICKS: u64 = 2;

/// Marks the page, and lets its time pass: it is due.
fn mark_and_let_pass(window: &Chromium<'_>) {
    let every = window.run("window.marked = true; return +document.body.dataset.every");
    assert!(every.as_u64() >= Some(5), "it does not load itself anew: {every}");
    window.run(&format!("later({every})"));
}

/// Asserts that the page stays, which is due.
fn stays(window: &Chromium<'_>, why: &str) {
    let ticks = || window.run("return window.ticks").as_u64().unwrap();
    let until = ticks() + TICKS;
    wait_until("the page's timer", SOON, || window.run(IS_MARKED) != true || ticks() >= until);
    assert_eq!(window.run(IS_MARKED), true, "{why}: it was loaded anew");
}

/// Waits until the page is loaded anew.
fn goes_on(window: &Chromium<'_>, when: &str) {
    wait_until(when, SOON, || {
        window.run(IS_MARKED) == false && window.run("return typeof later") == "function"
    });
}

/// A page that is hidden stays as it is, and goes on as soon as it is seen.
fn only_where_it_is_seen(window: &Chromium<'_>) {
    let is_hidden = |hidden: bool| {
        wait_until("to be hidden or seen", SOON, || window.run("return document.hidden") == hidden)
    };
    window.hide();
    is_hidden(true);
    mark_and_let_pass(window);
    stays(window, "where nobody sees it");
    window.show();
    is_hidden(false);
    goes_on(window, "the page that is seen again");
}

#[test]
fn pages_load_themselves_anew_where_they_are_seen_and_never_while_somebody_types() {
    let lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    let daemon = Daemon::start(&lab, &cloud.polled(settings(), "1s", &[]));
    cloud.is_read();
    let window = Chromium::on(&lab, &lab.phones[0]);
    window.debug("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": CLOCK }));

    window.go(&page("/", "sw"));
    window.submit("code", &daemon.voucher("hour"));
    window.sees("sw", "online");
    window.run("window.marked = true");
    stays(&window, "before it is time");
    mark_and_let_pass(&window);
    goes_on(&window, "the status page");
    only_where_it_is_seen(&window);
    window.sees("sw", "online");

    window.fill("#code", "12");
    mark_and_let_pass(&window);
    stays(&window, "while somebody types");
    window.run("document.activeElement.blur()");
    stays(&window, "after somebody has typed");
    assert_eq!(window.run("return document.querySelector('#code').value"), "12");
    window.run("document.querySelector('#code').value = ''");
    goes_on(&window, "the status page, with nothing typed");
    end_here(&window, "sw");

    // Who waits for a payment.
    window.go(&page("/", "sw"));
    window.submit("code", "DFJ9B1FPQ8");
    window.sees("sw", "waiting_title");
    only_where_it_is_seen(&window);
    window.sees("sw", "waiting_title");
    assert!(window.url().ends_with("/status?lang=sw"), "{}", window.url());
    // Without scripts as well, on its own time.
    window.debug("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    window.go(&page("/status", "sw"));
    cloud.paid("DFJ9B1FPQ8", "hour", json!({}));
    wait_until("the page of who waits, without scripts", 2 * SOON, || {
        window.says().contains(&text("sw", "online"))
    });
    assert!(window.phone.is_open(&lab.world));
}
