//! What those who watch report: bytes, silence, the uplink; asked of the Gate and of the reference at once.
//!
//! The counters of the kernel live as long as the boot and go on while no daemon reads them. Readings come
//! late, twice and out of order.

use lango::domain::{
    Boot, Bytes, Decision, Input, Mac, Record, Refusal, Reply, SessionId, Uplink, UplinkState, Usage,
};

use super::world::{Died, Flash, World};

impl<F: Flash> World<F> {
    /// Devices that are let through send and receive.
    pub(crate) fn traffic_flows(&mut self) {
        let now = self.now();
        let open = self.kernel.iter().filter(|(_, ends)| ends.is_none_or(|ends| ends > now.boot));
        for mac in open.map(|(mac, _)| *mac).collect::<Vec<_>>() {
            let (up, down) = (self.random.within(0..120), self.random.within(0..200));
            let counter = self.counter(mac);
            (counter.up, counter.down) = (Bytes(counter.up.0 + up), Bytes(counter.down.0 + down));
        }
    }

    /// The counter of who is online; a new session begins a new one, where the Gate says.
    fn counter(&mut self, mac: Mac) -> &mut Usage {
        let grant = self.gate.grant(mac, self.now());
        let session = grant.map_or(SessionId(0), |grant| grant.session);
        let counted = grant.map(|grant| grant.counted).unwrap_or_default();
        let fresh = Usage { session, up: counted.up, down: counted.down };
        let counter = self.counters.entry(mac).or_insert(fresh);
        if counter.session != session {
            *counter = fresh;
        }
        counter
    }

    pub(crate) fn counters_are_read(&mut self) -> Result<(), Died> {
        let mut readings = self.counters.values().copied().collect::<Vec<_>>();
        if self.random.percent(20) {
            readings.extend(self.old_readings.clone());
        }
        if self.random.percent(50) {
            readings.reverse();
        }
        self.old_readings.clone_from(&readings);
        self.tell(format!("read: {readings:?}"));
        let now = self.now();
        let decision = self.gate.decide(Input::Counted(readings.clone()), now);
        for reading in readings {
            let view = self.gate.view(now);
            let of = view.sessions.values().find(|session| session.id == reading.session);
            if let Some(mac) = of.map(|session| session.mac) {
                self.reference.counted(mac, (reading.up.0, reading.down.0), now);
            }
        }
        let ended = self.reference.out_of_data();
        self.check_ended(&decision.records, &ended);
        self.take(&decision)
    }

    pub(crate) fn uplink_changes(&mut self) -> Result<(), Died> {
        let uplink = self.random.pick(&[Uplink::Up, Uplink::Down, Uplink::Down, Uplink::Unknown]);
        let ago = self.random.within(0..20) * 1000;
        let now = self.now();
        let since = now.boot.as_millis().saturating_sub(ago);
        self.tell(format!("the uplink is {uplink:?} since {since}"));
        let state = UplinkState { uplink, since: Boot::from_millis(since) };
        let decision = self.gate.decide(Input::UplinkChanged(state), now);
        let is_news = self.reference.uplink_changed(uplink, since, now);
        assert_eq!(decision.records.is_empty(), !is_news, "{decision:?}");
        assert_eq!(decision.reply, Reply::Done);
        // What was charged since then is given back.
        self.seen.clear();
        self.take(&decision)
    }

    pub(crate) fn silence_is_looked_into(&mut self) -> Result<(), Died> {
        let now = self.now();
        let quiet = self.gate.take_quiet(now);
        assert_eq!(quiet, self.reference.take_quiet(now), "who is to be asked");
        for mac in quiet {
            let input = match self.random.within(0..3) {
                0 => Input::Seen { mac },
                1 => Input::Gone { mac },
                _ => continue,
            };
            self.asked(input, mac)?;
        }
        let mac = self.mac();
        let input = self.random.pick(&[Input::Seen { mac }, Input::Gone { mac }, Input::Suspect { mac }]);
        self.asked(input, mac)
    }

    fn asked(&mut self, input: Input, mac: Mac) -> Result<(), Died> {
        let now = self.now();
        self.tell(format!("{input:?}"));
        let is_online = self.reference.online.iter().any(|(other, _)| *other == mac);
        let answers = matches!(input, Input::Seen { .. });
        let silent = !matches!(input, Input::Gone { .. }) || self.reference.is_quiet(mac, now);
        let closes = is_online && !answers && silent;
        let decision = self.gate.decide(input, now);
        if answers {
            self.reference.showed_up(mac, now);
        }
        if closes {
            assert!(matches!(decision.reply, Reply::Closed(_)), "{decision:?}");
            self.reference.close(mac, now);
        } else if answers || is_online {
            assert_eq!(decision.reply, Reply::Done);
        } else {
            assert_eq!(decision.reply, Reply::Refused(Refusal::NotOnline));
        }
        self.take(&decision)
    }

    fn take(&mut self, decision: &Decision) -> Result<(), Died> {
        let now = self.now();
        self.gate.apply(&decision.records, now);
        self.reference.written(&decision.records, now);
        self.commit(&decision.records, &decision.effects)?;
        Ok(())
    }

    /// What was counted is there, and what goes over a cap is not.
    pub(crate) fn check_bytes(&self) {
        let view = self.gate.view(self.now());
        for (mac, id) in &self.reference.online {
            let (bought, used) = (&self.reference.bought[id], self.reference.used[mac]);
            let seen = &view.sessions[mac];
            assert_eq!((seen.bytes_up.0, seen.bytes_down.0), used.known, "bytes of {mac}");
            assert_eq!(seen.bytes_left.map(|left| left.0), bought.data_left(), "rest of {mac}");
            if let Some(grant) = self.gate.grant(*mac, self.now()) {
                assert_eq!((grant.spent.up.0, grant.spent.down.0), bought.spent.known, "spent by {id}");
                assert_eq!((grant.counted.up.0, grant.counted.down.0), used.known, "counted of {mac}");
            }
        }
        for (id, bought) in self.reference.bought.iter().filter(|(_, bought)| bought.over.is_none()) {
            let entitlement = self.gate.entitlement(*id).expect("what is not over is there");
            assert_eq!(entitlement.data_left().map(|left| left.0), bought.data_left(), "rest of {id}");
        }
    }

    /// Nothing is written for bytes but with checkpoints and closes.
    pub(crate) fn check_wear(&self, records: &[Record]) {
        let sessions = records.iter().filter_map(|record| {
            if let Record::SessionStamped(usage) = record { Some(usage.session) } else { None }
        });
        let mut sessions = sessions.collect::<Vec<_>>();
        let all = sessions.len();
        sessions.sort();
        sessions.dedup();
        assert_eq!(sessions.len(), all, "each row at most once: {records:?}");
    }
}
