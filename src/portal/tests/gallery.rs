//! Every page in every state and language: in one round trip, by one request, and written to `target/pages`
//! for whoever wants to look at them, and for browsers that examine them.

use std::fs;
use std::path::Path;

use super::*;
use crate::captive::{
    Asked, Awaited, Door, LANGUAGES, Language, Notice, Outage, PlanCard, Proof, Standing, Strings, Tried,
};
use crate::domain::{Boot, Uplink, UplinkState};
use crate::portal::dress::Dress;
use crate::portal::entry::Entry;
use crate::portal::frame::Frame;
use crate::portal::pages::{self, Internet};
use crate::portal::response;

/// Bytes of the first round trip of TCP: ten segments.
const ROUND_TRIP: usize = 14 * 1024;
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A page as a guest may see it.
pub(super) struct State {
    pub(super) name: String,
    pub(super) html: String,
}

/// A hotspot that writes pages.
struct Site {
    config: Config,
    dress: Dress,
    asked: Asked,
    now: Now,
    typed: String,
}

/// Every state of every page in the language `t`, at a hotspot as they are.
pub(super) fn states(language: &'static Language) -> Vec<State> {
    let mut config = usual();
    let mut states = Site::new(&config, language, "").local();
    config.cloud = Some(cloud::a_cloud());
    states.extend(Site::new(&config, language, "DFJ9B1FPQ8 Confirmed. 500 TZS paid").all());
    config.plans = (0..20).map(|n| plan(n, "Wiki nzima")).collect();
    states.push(Site::new(&config, language, "").plain("welcome-20-plans"));
    config.plans.truncate(3);
    config.gateway.terms_required = true;
    states.push(Site::new(&config, language, "").plain("welcome-terms"));
    states
}

/// The same at a hotspot that has everything, with the longest names there may be.
fn longest(language: &'static Language) -> Vec<State> {
    let mut config = usual();
    config.cloud = Some(cloud::a_cloud());
    config.plans = (0..40).map(|n| plan(n, &"Ж".repeat(40))).collect();
    config.retention.minimum = Some(Duration::from_secs(400 * 86_400));
    let gateway = &mut config.gateway;
    gateway.terms_required = true;
    (gateway.title, gateway.controller) = ("Ж".repeat(64), "ж ".repeat(100));
    (gateway.site, gateway.support_phone) = ("m".repeat(64), format!("+{}", "9".repeat(15)));
    gateway.whatsapp = "9".repeat(15);
    let mut states = Site::new(&config, language, &"Umepokea TZS 500 <ж> ".repeat(16)).all();
    states.extend(Site::new(&config, language, "").local());
    states
}

fn usual() -> Config {
    let mut config = Config { cloud: None, ..config(2080) };
    config.gateway.title = "Kariakoo Wi-Fi".into();
    config.gateway.site = "kariakoo-01".into();
    config.plans =
        ["Saa 1", "Siku 1", "Wiki 1"].iter().zip([1, 24, 168]).map(|(title, h)| plan(h, title)).collect();
    config.trial = None;
    config
}

fn plan(hours: u64, title: &str) -> Plan {
    Plan {
        title: BTreeMap::from([("en".to_owned(), title.to_owned())]),
        terms: Terms {
            metered: Some(Duration::from_secs(3600 * hours + 60)),
            validity: Some(Duration::from_secs(86_400 * (1 + hours / 24))),
            data: crate::domain::DataCap {
                total: Some(Bytes(500_000_000 * (1 + hours))),
                ..Terms::UNLIMITED.data
            },
            down: Some(Bps(4_000_000)),
            devices: 2,
            ..Terms::UNLIMITED
        },
        price: format!("{}", 500 * (1 + hours)),
        currency: "TZS".into(),
        ..Plan::unlimited(format!("p{hours}").parse().unwrap(), PlanSource::File)
    }
}

impl Site {
    fn new(config: &Config, language: &'static Language, typed: &str) -> Self {
        let now = Clock::new().now();
        Self {
            dress: Dress::of(config),
            config: config.clone(),
            asked: Asked { language, chosen: true, typed: String::new() },
            now: Now { boot: now.boot.plus(Duration::from_secs(9000)), ..now },
            typed: typed.to_owned(),
        }
    }

    fn t(&self) -> Strings<'_> {
        self.dress.strings(self.asked.language)
    }

    fn frame(&self, path: &'static str) -> Frame<'_> {
        Frame::new(&self.asked, &self.config, &self.dress, path).of_device(Some(mac(0xa7)))
    }

    fn standing(&self, session: &SessionView) -> Standing<'_> {
        Standing::of(session, &self.config.plans, self.t(), self.now)
    }

    fn session(&self, left: u64) -> SessionView {
        SessionView { plan: self.config.plans[0].id.clone(), ..session(self.now, left) }
    }

    fn paused(&self) -> SessionView {
        let clockwork = Clockwork::Paused { metered_left: Duration::from_secs(2400) };
        SessionView { clockwork, ..self.session(2400) }
    }

    fn outage(&self, session: Option<&SessionView>) -> Option<Outage<'_>> {
        let down = UplinkState { uplink: Uplink::Down, since: self.since() };
        Outage::of(down, session, self.t(), self.now)
    }

    /// A moment ago.
    fn since(&self) -> Boot {
        Boot::from_millis(self.now.boot.as_millis() - 7_500_000)
    }

    fn entry(&self) -> Entry {
        Entry { typed: self.typed.clone(), ..Entry::none() }
    }

    fn plain(&self, name: &str) -> State {
        let html = pages::welcome(self.frame("/"), &self.config, None, None, TOKEN, "");
        State { name: name.to_owned(), html }
    }

    /// Where there is no cloud.
    fn local(&self) -> Vec<State> {
        let mut bare = Site::new(&self.config, self.asked.language, "");
        bare.config.plans.clear();
        (bare.config.gateway.support_phone, bare.config.gateway.whatsapp) = Default::default();
        let trial = PlanCard::of(&self.config.plans[0], self.t());
        let tried =
            pages::welcome(self.frame("/").offering(Some(trial)), &self.config, None, None, TOKEN, "");
        vec![
            self.plain("welcome"),
            bare.plain("welcome-bare"),
            State { name: "welcome-trial".into(), html: tried },
            State {
                name: "offline".into(),
                html: pages::offline(self.frame("/status"), Internet::Up, TOKEN),
            },
            State {
                name: "privacy".into(),
                html: pages::privacy(self.frame("/privacy"), &self.config, Door::Plain),
            },
        ]
    }

    /// All that there is.
    fn all(&self) -> Vec<State> {
        let mut states = vec![self.plain("welcome-cloud")];
        let mut add = |name: &str, html: String| states.push(State { name: name.to_owned(), html });
        let at = |path| self.frame(path);
        let awaits = [("payment", Awaited::Payment), ("room", Awaited::Room), ("digits", Awaited::Digits)];
        let welcome = |frame: Frame<'_>, standing, outage, typed: &str| {
            pages::welcome(frame, &self.config, standing, outage, TOKEN, typed)
        };
        let (online, paused) = (self.session(2400), self.paused());
        add("welcome-typed", welcome(at("/"), None, None, &self.typed));
        add("welcome-outage", welcome(at("/"), None, self.outage(None), ""));
        add("welcome-locked", welcome(at("/"), None, Some(Outage::locked(self.t())), ""));
        add("welcome-online", welcome(at("/"), Some(self.standing(&online)), None, ""));
        let outage = self.outage(Some(&paused));
        add("welcome-online-outage", welcome(at("/"), Some(self.standing(&paused)), outage, ""));
        for (name, awaited) in awaits {
            let frame = at("/").awaiting(Some(awaited));
            add(&format!("welcome-awaiting-{name}"), welcome(frame, None, self.outage(None), ""));
            let frame = at("/status").awaiting(Some(awaited));
            let status = pages::status(frame, self.standing(&online), None, TOKEN);
            add(&format!("status-awaiting-{name}"), status);
            add(&format!("waiting-{name}"), pages::waiting(at("/status"), awaited, None, TOKEN));
            let outage = self.outage(None);
            add(&format!("waiting-{name}-outage"), pages::waiting(at("/status"), awaited, outage, TOKEN));
        }
        let few = SessionView { bytes_left: Some(Bytes(9_000_000)), ..online.clone() };
        let endless = SessionView {
            ends: None,
            whole: None,
            bytes_left: None,
            bytes_whole: None,
            devices: 1,
            ..online.clone()
        };
        for (name, session) in [
            ("status", &online),
            ("status-soon", &self.session(200)),
            ("status-few", &few),
            ("status-endless", &endless),
        ] {
            add(name, pages::status(at("/status"), self.standing(session), None, TOKEN));
        }
        let outage = self.outage(Some(&paused));
        add("status-paused", pages::status(at("/status"), self.standing(&paused), outage, TOKEN));
        let away = at("/status").leading_to("http://10.77.0.1:2080".to_owned());
        add("soon", pages::soon(away, &"world.".repeat(42)));
        add("trusted", pages::trusted(at("/"), None));
        let down = Internet::Down(self.outage(None).unwrap());
        add("offline-outage", pages::offline(at("/status"), down, TOKEN));
        add("offline-cloud", pages::offline(at("/status"), Internet::Unknown, TOKEN));
        for (name, proof) in [("phone", Proof::Phone), ("pin", Proof::Pin), ("otp", Proof::OneTimeCode)] {
            let mut entry = self.entry();
            entry.given.phone = (proof == Proof::OneTimeCode).then(|| "+255 700 000 000".to_owned());
            for (end, tried) in [("", Tried::NotYet), ("-wrong", Tried::Wrong)] {
                let page = pages::prove(at("/"), proof, tried, TOKEN, &entry);
                add(&format!("proof-{name}{end}"), page);
            }
        }
        add("move", pages::ask_to_move(at("/"), TOKEN, &self.entry()));
        for (why, ..) in refusals::PAGES {
            let name = format!("notice-{why:?}").to_lowercase();
            let name = name.split(' ').next().unwrap_or_default();
            add(name, pages::notice(at("/"), why, Some(TOKEN), &self.entry()));
        }
        add("terms", pages::terms(at("/terms"), &self.config));
        add("privacy-cloud", pages::privacy(at("/privacy"), &self.config, Door::Plain));
        states
    }
}

#[test]
fn every_page_is_one_request_of_one_round_trip() {
    let mut largest = (0, String::new());
    for language in LANGUAGES {
        for State { name, html } in longest(language).into_iter().chain(states(language)) {
            let dress = Dress::of(&usual());
            let wire =
                response::raw(response::refusal(Notice::Full, language.tag, &dress, String::new()), &html)
                    .len();
            assert!(wire <= ROUND_TRIP, "{} {name}: {wire} bytes", language.tag);
            largest = largest.max((wire, format!("{} {name}", language.tag)));
            let outside = html.replace("<link rel=\"icon\" href=\"data:,\">", "");
            for needs_more in ["<link", "src=", "url(", "@import", "<iframe", "<object", "srcset", "poster="]
            {
                assert!(!outside.contains(needs_more), "{} {name}: {needs_more}", language.tag);
            }
        }
    }
    println!("largest: {largest:?}");
}

#[test]
fn every_page_is_there_to_be_looked_at() {
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    for language in LANGUAGES {
        let folder = gallery.join(language.tag);
        // States that are no more are not to be looked at.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let states = states(language);
        for State { name, html } in &states {
            assert!(html.starts_with("<!doctype html>") && html.contains("<h1>"), "{name}");
            fs::write(folder.join(name).with_extension("html"), html).unwrap();
        }
        let names: std::collections::BTreeSet<_> = states.iter().map(|state| &state.name).collect();
        assert!(names.len() == states.len() && names.len() > 50, "each state once: {}", states.len());
    }
}

/// Every string set to what would break a page that took it for more than text.
#[test]
fn whatever_an_operator_s_words_are_they_stand_as_text_in_whole_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = usual();
    config.cloud = Some(cloud::a_cloud());
    config.gateway.portal_dir = Some(folder.path().into());
    for language in LANGUAGES {
        let file = folder.path().join(format!("strings.{}.txt", language.tag));
        let keys = language.keys().into_iter().enumerate();
        let lines = keys.map(|(place, key)| match language.built_in(place) {
            "" => String::new(),
            text => format!("{key} = \" '></title></style></p><script> {text} \u{202e}\\}}&amp;\n"),
        });
        fs::write(&file, lines.collect::<String>()).unwrap();
        let site = Site::new(&config, language, "<typed>");
        assert_eq!(site.dress.theme.own(language.tag).len(), lines_of(&file));
        for State { name, html } in site.local().into_iter().chain(site.all()) {
            assert!(html.trim_end().ends_with("</html>") && html.contains("&#62;&#60;/title&#62;"), "{name}");
            for once in ["<script>", "</script>", "</title>", "</style>", "</main>"] {
                assert_eq!(html.matches(once).count(), 1, "{} {name}: {once}", language.tag);
            }
            assert!(!html.contains("{time}") && !html.contains("{n}"), "{} {name}", language.tag);
        }
    }
}

fn lines_of(file: &Path) -> usize {
    fs::read_to_string(file).unwrap().lines().count()
}

#[test]
fn what_is_written_from_the_left_keeps_its_order_on_one_line() {
    for language in LANGUAGES {
        let states = states(language);
        let State { html, .. } = states.iter().find(|state| state.name == "move").unwrap();
        for apart in ["<bdi dir=\"ltr\">…00:00:a7</bdi>", "<bdi dir=\"ltr\">+255700000000</bdi>"] {
            assert_eq!(html.matches(apart).count(), 1, "{}: {apart}", language.tag);
        }
        assert!(html.contains("bdi[dir]{white-space:nowrap}"));
    }
}
