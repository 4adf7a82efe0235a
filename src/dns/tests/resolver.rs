//! A resolver that misbehaves as it is told.

use super::*;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As it should.
    Good,
    Silent,
    Slow(Duration),
    ServFail,
    Refuses,
    /// Everything exists, and nothing is there.
    Empty,
    Garbage,
    WrongNumber,
    WrongQuestion,
    OtherSource,
    /// The whole answer only over TCP.
    Short,
}

pub(super) struct Resolver {
    pub(super) at: SocketAddr,
    pub(super) mode: Cell<Mode>,
    /// What it was asked, in the order of the questions.
    pub(super) asked: RefCell<Vec<(Name, Kind)>>,
    zone: RefCell<OrdMap<Name, (Vec<IpAddr>, u32)>>,
}

impl Resolver {
    pub(super) async fn start() -> Rc<Self> {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(at).await.unwrap();
        let (mode, asked, zone) = (Cell::new(Mode::Good), RefCell::default(), RefCell::default());
        let resolver = Rc::new(Self { at, mode, asked, zone });
        resolver.knows("wa.me", 30, &["203.0.113.80", "2001:db8:ffff::80"]);
        spawn_local(Rc::clone(&resolver).over_udp(udp));
        spawn_local(Rc::clone(&resolver).over_tcp(tcp));
        resolver
    }

    /// Adds a name.
    pub(super) fn knows(&self, name: &str, ttl: u32, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.zone.borrow_mut().insert(Name::parse(name).unwrap(), (addresses, ttl));
    }

    /// How often it was asked for `name`.
    pub(super) fn times(&self, name: &str) -> usize {
        let name = Name::parse(name).unwrap();
        self.asked.borrow().iter().filter(|(asked, _)| *asked == name).count()
    }

    async fn over_udp(self: Rc<Self>, socket: UdpSocket) {
        let socket = Rc::new(socket);
        let mut buffer = [0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let message = buffer[..length].to_vec();
            let (resolver, socket) = (Rc::clone(&self), Rc::clone(&socket));
            spawn_local(async move { resolver.answer_over_udp(&socket, message, from).await });
        }
    }

    async fn answer_over_udp(&self, socket: &UdpSocket, message: Vec<u8>, from: SocketAddr) {
        let mode = self.mode.get();
        let Some(mut answer) = self.answer(message, mode) else { return };
        match mode {
            Mode::Silent => return,
            Mode::Slow(pause) => sleep(pause).await,
            Mode::ServFail => answer[3] |= 2,
            Mode::Refuses => answer[3] |= 5,
            Mode::Garbage => answer.iter_mut().for_each(|byte| *byte ^= 0x5a),
            Mode::WrongNumber => answer[0] ^= 1,
            Mode::WrongQuestion => answer[13] ^= 2,
            Mode::OtherSource => {
                let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                other.send_to(&answer, from).await.unwrap();
                return;
            }
            // Said so by having no room.
            Mode::Good | Mode::Empty | Mode::Short => {}
        }
        let _ = socket.send_to(&answer, from).await;
    }

    async fn over_tcp(self: Rc<Self>, listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut message = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut message).await.unwrap();
            let Some(answer) = self.answer(message, Mode::Good) else { continue };
            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }

    fn answer(&self, message: Vec<u8>, mode: Mode) -> Option<Vec<u8>> {
        let Some(Received::Query(query)) = crate::wire::dns::read(message) else { return None };
        let Query { name, kind, .. } = &query;
        self.asked.borrow_mut().push((name.clone(), *kind));
        let zone = self.zone.borrow();
        let found = zone.get(name).filter(|_| matches!(mode, Mode::Good | Mode::Slow(_) | Mode::Short));
        let mut reply = match (found, mode) {
            (Some((addresses, ttl)), _) => {
                Reply { code: Code::Fine, addresses: addresses.clone(), ttl: *ttl }
            }
            (None, Mode::Good) => Reply { code: Code::NoSuchName, addresses: Vec::new(), ttl: 0 },
            (None, _) => Reply { code: Code::Fine, addresses: Vec::new(), ttl: 0 },
        };
        reply.addresses.retain(|address| super::super::address::kind_of(*address) == *kind);
        let room = if mode == Mode::Short { 0 } else { 4096 };
        Some(query.answer(&reply, room))
    }
}
