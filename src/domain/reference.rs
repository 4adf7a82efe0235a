//! References of mobile-money payments: as guests type them, and inside the messages they paste.
//!
//! Owns: the normal form, what can be a reference at all, and the table of where providers write theirs.
//! Never: whether it was paid; that is what the cloud reported. A reference is no secret: who just paid
//! shares 7 of 10 characters with the next guest, so nothing here opens anything by itself.
//! Lengths change within a year, so none is fixed; what has the shape of our own codes is never claimed.

use std::fmt;

use super::code::{self, Normal};
use super::number::holds_card;

const SHORTEST: usize = 8;
const LONGEST: usize = 24;
/// Characters of a pasted text that are looked at: ten messages' worth.
const LONGEST_TEXT: usize = 2000;

/// A payment reference in its normal form: upper case, without spaces; dots, dashes and `_` kept, nothing
/// mapped. Its `Debug` does not show it, so that no log can.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// The normal form of `typed`; `None` if it cannot be a reference: 8 to 24 of `[A-Z0-9._-]`, with a
    /// letter or digit at both ends.
    pub fn of(typed: &str) -> Option<Self> {
        let mut text = String::new();
        for symbol in typed.chars().filter(|c| !c.is_whitespace() && !is_invisible(*c)) {
            match code::ascii_digit(symbol).to_ascii_uppercase() {
                kept if kept.is_ascii_alphanumeric() || "._-".contains(kept) => text.push(kept),
                _ => return None,
            }
            if text.len() > LONGEST {
                return None;
            }
        }
        let ends_well = |end: Option<&u8>| end.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let fits = bytes.len() >= SHORTEST && ends_well(bytes.first()) && ends_well(bytes.last());
        fits.then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(…)")
    }
}

/// What a text that is no live code may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A message of a provider with its reference.
    InMessage(Reference),
    /// The text as a whole could be a reference.
    Typed(Reference),
    /// It could be one, but looks like a code of ours: a payment that is known may be found by it, but it
    /// is neither claimed nor asked for, or every guess at a code would become one. So is the number of a
    /// payment card, should someone type one.
    NotAsked(Reference),
}

impl Sought {
    /// The reference.
    pub fn reference(&self) -> &Reference {
        match self {
            Self::InMessage(reference) | Self::Typed(reference) | Self::NotAsked(reference) => reference,
        }
    }
}

/// The reference that a guest means by `text`, typed or pasted.
pub fn seek(text: &str) -> Option<Sought> {
    let whole = Reference::of(text);
    let is_ours = whole.as_ref().is_some_and(looks_like_ours);
    let sought = match whole {
        Some(reference) => Sought::Typed(reference),
        None => Sought::InMessage(Message::new(text).reference()?),
    };
    let is_kept_here = is_ours || holds_card(sought.reference().as_str());
    Some(if is_kept_here { Sought::NotAsked(sought.reference().clone()) } else { sought })
}

/// 8, 10 or 16 digits, or 8 letters with the right check symbol. Codes with a batch's prefix are left
/// out: they cannot be told from what providers send.
fn looks_like_ours(reference: &Reference) -> bool {
    let Some(code) = Normal::of(reference.as_str()) else { return false };
    let text = code.as_str();
    if text.bytes().all(|symbol| symbol.is_ascii_digit()) {
        return matches!(text.len(), 8 | 10 | 16);
    }
    code::has_right_check(&code)
}

/// Where a provider writes the reference, and of what it is made.
struct Format {
    place: Place,
    made_of: Symbols,
}

enum Place {
    /// It is the word before this one.
    Before(&'static str),
    /// It follows these words, with punctuation and perhaps "no." between.
    After(&'static str),
}

enum Symbols {
    Digits,
    LettersAndDigits,
    /// Letters, digits, and dots or `_` between them.
    Dotted,
}

const fn before(word: &'static str) -> Format {
    Format { place: Place::Before(word), made_of: Symbols::LettersAndDigits }
}

const fn after(words: &'static str, made_of: Symbols) -> Format {
    Format { place: Place::After(words), made_of }
}

/// Messages as providers send them, in English and Swahili; the first row that fits counts. Upper case.
/// "Muamala" (transaction) stands above "kumbukumbu" (reference), which may be the payer's own.
const FORMATS: &[Format] = &[
    // M-Pesa in Tanzania and Kenya, Selcom Pesa
    before("IMETHIBITISHWA"),
    before("CONFIRMED"),
    before("ACCEPTED"),
    // JazzCash; Airtel Money writes dots: CI250517.2058.Y29364
    after("TID", Symbols::Digits),
    after("TID", Symbols::Dotted),
    after("MUAMALA NO", Symbols::Dotted),
    // HaloPesa, then Mixx by Yas
    after("UTAMBULISHO WA MUAMALA", Symbols::Digits),
    after("TNX", Symbols::Digits),
    after("MUAMALA", Symbols::Digits),
    after("KUMBUKUMBU", Symbols::Dotted),
    // bKash, EasyPaisa
    after("TRXID", Symbols::LettersAndDigits),
    after("TRX ID", Symbols::LettersAndDigits),
    // Mixx in English, banks
    after("TXNID", Symbols::LettersAndDigits),
    after("TXN ID", Symbols::LettersAndDigits),
    after("TRNX ID", Symbols::LettersAndDigits),
    after("TRANS ID", Symbols::Dotted),
    after("TRANSACTION ID", Symbols::Dotted),
    after("REFERENCE", Symbols::LettersAndDigits),
    after("REF", Symbols::LettersAndDigits),
    after("KUMB", Symbols::LettersAndDigits),
];

/// Words that may stand between a label and its reference.
const FILLERS: &[&str] = &["NO", "NUMBER", "NAMBA", "ID", "NI", "IS"];

/// A pasted text in two spellings of the same length: as it was, and in upper case. Only ASCII, a single
/// space for every gap.
struct Message {
    text: String,
    upper: String,
}

impl Message {
    fn new(pasted: &str) -> Self {
        let mut text = String::new();
        for symbol in pasted.chars().take(LONGEST_TEXT).filter(|c| !is_invisible(*c)) {
            let symbol = match code::ascii_digit(symbol) {
                gap if gap.is_whitespace() || gap.is_ascii_control() => ' ',
                known if known.is_ascii() => known,
                _ => '?',
            };
            if symbol != ' ' || !text.ends_with(' ') {
                text.push(symbol);
            }
        }
        Self { upper: text.to_ascii_uppercase(), text }
    }

    fn reference(&self) -> Option<Reference> {
        FORMATS.iter().find_map(|format| match format.place {
            Place::Before(word) => (self.upper.match_indices(word))
                .filter_map(|(at, _)| self.upper.split_at_checked(at))
                .find_map(|(head, tail)| self.before(head, tail.get(word.len()..)?)),
            Place::After(words) => (self.upper.match_indices(words))
                .filter_map(|(at, _)| self.upper.split_at_checked(at))
                .filter(|(head, _)| !head.ends_with(is_symbol))
                .find_map(|(_, tail)| after_label(tail.get(words.len()..)?, &format.made_of)),
        })
    }

    /// The word that ends `head`, in capitals as it was pasted. `tail`: what follows the marking word.
    fn before(&self, head: &str, tail: &str) -> Option<Reference> {
        if tail.starts_with(is_symbol) {
            return None;
        }
        let head = head.trim_end_matches([' ', ',', ':', '-']);
        let word = head.rsplit(|c| !is_symbol(c)).next()?;
        let start = head.len() - word.len();
        let pasted = self.text.get(start..head.len())?;
        let numbered = word.contains(|c: char| c.is_ascii_digit());
        // A reference without any digit is believed where M-Pesa has it: at the very beginning.
        let believed = pasted == word && (numbered || head.trim_start().len() == word.len());
        if believed { Reference::of(word) } else { None }
    }
}

/// The reference at the beginning of `tail`, which follows a label.
fn after_label(tail: &str, made_of: &Symbols) -> Option<Reference> {
    let mut rest = skip_punctuation(tail)?;
    for filler in FILLERS {
        if let Some(after) = rest.strip_prefix(filler).and_then(skip_punctuation) {
            rest = after;
        }
    }
    let end = |stop: fn(char) -> bool| rest.split(stop).next().unwrap_or_default();
    let word = match made_of {
        Symbols::Digits | Symbols::LettersAndDigits => end(|c| !is_symbol(c)),
        Symbols::Dotted => end(|c| !is_symbol(c) && c != '.' && c != '_').trim_end_matches(['.', '_']),
    };
    let fits = match made_of {
        Symbols::Digits => word.bytes().all(|symbol| symbol.is_ascii_digit()),
        Symbols::LettersAndDigits | Symbols::Dotted => word.bytes().any(|symbol| symbol.is_ascii_digit()),
    };
    if fits { Reference::of(word) } else { None }
}

/// What follows at least one mark or space.
fn skip_punctuation(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches([' ', ':', '.', '#', '=', '-']);
    (rest.len() < text.len()).then_some(rest)
}

fn is_symbol(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// What phones add unseen when text is copied: marks of direction, soft hyphens, spaces without width.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Option<String> {
        match seek(text) {
            Some(Sought::InMessage(reference)) => Some(reference.0),
            Some(Sought::Typed(_) | Sought::NotAsked(_)) | None => None,
        }
    }

    #[test]
    fn case_and_spaces_do_not_matter_but_dots_do() {
        for (typed, normal) in [
            ("DFJ9B1FPQ8", "DFJ9B1FPQ8"),
            (" dfj9 b1fp q8\n", "DFJ9B1FPQ8"),
            ("\u{200e}DFJ9B1FPQ8\u{200f}", "DFJ9B1FPQ8"),
            ("ci250517.2058.y29364", "CI250517.2058.Y29364"),
            ("035_12307E6LF", "035_12307E6LF"),
            ("۲۵۶۹۳۱۲۶۳۱۲۵۴۳", "25693126312543"),
            ("OIL-OIL-OIL", "OIL-OIL-OIL"),
        ] {
            assert_eq!(Reference::of(typed).unwrap().as_str(), normal, "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_a_reference_is_none() {
        for typed in
            ["", "DFJ9B1F", "A2345678901234567890123456", "DFJ9B1FPQ8;", "-DFJ9B1FP", "........", "né9B1FPQ8"]
        {
            assert_eq!(Reference::of(typed), None, "{typed}");
        }
    }

    #[test]
    fn the_shape_of_our_codes_is_never_claimed() {
        for ours in ["48219937", "4821 9937 05", "0415 2075 7979 1602", "4821-9937-05"] {
            assert!(matches!(seek(ours), Some(Sought::NotAsked(_))), "{ours}");
        }
        let letters = code::make_code(code::CodeForm::Letters, "", [7; 16]).unwrap();
        assert!(matches!(seek(&letters), Some(Sought::NotAsked(_))), "{letters}");
        for theirs in ["DFJ9B1FPQ8", "25693126312543", "889912038", "CI250517.2058.Y29364", "0426JXCX"] {
            assert!(matches!(seek(theirs), Some(Sought::Typed(_))), "{theirs}");
        }
    }

    #[test]
    fn the_number_of_a_card_is_never_claimed() {
        for card in [
            "4111-1111-1111-1111",
            "378282246310005",
            "6304000000000000000",
            "visa 4111.1111.1111.1111",
            "Tnx 4111111111111111 and more",
            "Kumb: 5555555555554444. TZS 500",
            "4222222222222 Confirmed. You have paid",
        ] {
            assert!(matches!(seek(card), Some(Sought::NotAsked(_))), "{card}");
        }
    }

    #[test]
    fn the_reference_is_found_in_what_providers_send() {
        for (message, reference) in [
            // M-Pesa, Tanzania and Kenya
            ("DFJ9B1FPQ8 Imethibitishwa. Tsh500.00 imelipwa kwa DUKA LA MFANO tarehe 19/6/26", "DFJ9B1FPQ8"),
            ("DC22N8FK524 Confirmed. You have paid Tsh1,000 to TEST SHOP on 2/3/26.", "DC22N8FK524"),
            ("NLJ7RT61SV Confirmed. Ksh50.00 paid to SAMPLE KIOSK. New balance Ksh10.00", "NLJ7RT61SV"),
            ("NLJKRTXQSV Confirmed. Ksh50.00 paid to SAMPLE KIOSK.", "NLJKRTXQSV"),
            ("Mpesa:\nNLJ7RT61SV  confirmed. Ksh20", "NLJ7RT61SV"),
            // Mixx by Yas
            ("Umelipa Tsh 500 kwa MFANO. Kumbukumbu No.: 25693126312543. Salio Tsh 12", "25693126312543"),
            ("Malipo yamekamilika, kiasi Tsh 500. Kumbukumbu no.26200000000002. 12/09/26", "26200000000002"),
            ("Umelipa, kumbukumbu no: Asha12345. Ada 0.Muamala: 26885574977044.27/01/26", "26885574977044"),
            ("Umepokea 500. Kumbukumbu: PP141141.1843.D06413. Asante", "PP141141.1843.D06413"),
            ("Payment sent. TxnId: 13411949026. Balance Tsh 0", "13411949026"),
            // Airtel Money
            ("Umelipa Tsh 500 kwa MFANO. TID:CI250517.2058.Y29364. Salio Tsh 3", "CI250517.2058.Y29364"),
            ("Muamala No: MP260119.1639.R71104 umekamilika, Tsh500", "MP260119.1639.R71104"),
            ("Paid UGX 1000. Trans ID: TID144205097399 .", "TID144205097399"),
            // HaloPesa
            ("Umetuma TSH 500. Utambulisho wa Muamala:3887545254", "3887545254"),
            ("Utambulisho wa muamala: 889912038. TSH 500", "889912038"),
            ("Umetuma TSH 500 kwa BENKI. Tnx 6055509123110519", "6055509123110519"),
            // Selcom Pesa
            ("0426JXCX Confirmed. You have paid TZS 500 to SHOP", "0426JXCX"),
            ("10234C2WQ Accepted. You have sent TZS 500", "10234C2WQ"),
            // JazzCash, EasyPaisa
            ("Rs. 50 sent to SAMPLE. TID: 012345678901. Fee Rs. 0", "012345678901"),
            ("You paid Rs 50 to SAMPLE. Trx ID 34567890123 on 1-2-26", "34567890123"),
            ("TID #: 0123456789, Rs.50", "0123456789"),
            // bKash
            ("Payment Tk 20.00 to SAMPLE successful. TrxID CJU0PZQ3U6 at 30/10/2025", "CJU0PZQ3U6"),
            // banks
            ("Umetuma TZS 500. Kumb: GWX102237382945 NMB", "GWX102237382945"),
            ("Transfer done. Ref No. FT26061CY5SQ", "FT26061CY5SQ"),
        ] {
            assert_eq!(found(message).as_deref(), Some(reference), "{message}");
        }
    }

    #[test]
    fn a_message_without_a_reference_gives_none() {
        for message in [
            "Your booking was successfully confirmed, thank you very much for coming",
            "Umepokea pesa. Kumbukumbu ya muamala wako itatumwa baadaye kidogo sana",
            "Confirmed Confirmed Confirmed Confirmed",
            "TID: TID: TID: TID: TID: TID:",
            "Ref: 1234. This number is too short to be a reference of anything",
            "TID: A23456789012345678901234567890123456789 is too long for one",
            "MTID: 012345678901 and PREF 012345678901 are other words",
            "PAYMENT CONFIRMEDLY made in all capitals 0123456789",
        ] {
            assert_eq!(found(message), None, "{message}");
        }
    }

    #[test]
    fn only_the_beginning_of_a_long_text_is_read() {
        let late = format!("{}TID: 012345678901", "x ".repeat(LONGEST_TEXT));
        assert_eq!(seek(&late), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_pasted_makes_it_panic(text in "\\PC{0,300}") {
            drop(seek(&text));
        }

        #[test]
        fn words_of_the_trade_in_any_order_do_not_either(
            words in proptest::collection::vec(
                prop_oneof![
                    "TID|Trx ID|Muamala|CONFIRMED|Imethibitishwa|Kumbukumbu|no|REF".prop_map(|word| word),
                    "[A-Z0-9.:_#é؟ ]{0,12}",
                ],
                0..20,
            ),
        ) {
            if let Some(Sought::InMessage(reference)) = seek(&words.concat()) {
                prop_assert_eq!(Reference::of(reference.as_str()), Some(reference));
            }
        }

        #[test]
        fn a_normal_form_is_its_own(text in "[A-Za-z0-9._ -]{8,24}") {
            if let Some(reference) = Reference::of(&text) {
                prop_assert_eq!(Reference::of(reference.as_str()), Some(reference));
            }
        }
    }
}
