//! What a lookup asks of the cloud: a guest waits for the answer, whose form is `feed::read_found`.
//!
//! Owns: the JSON of the question. Never: shows a reference, a phone or a code, so `Debug` says the kind only.

use std::fmt;

use serde::Serialize;

use crate::domain::Mac;

/// What is wanted, and for which device.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The payment of this reference.
    Reference { reference: String, mac: Mac },
    /// That a one-time code be sent to this phone.
    SendCode { phone: String, mac: Mac },
    /// That this one-time code be checked.
    CheckCode { phone: String, otp: String, mac: Mac },
}

impl Wanted {
    /// The body of the request.
    pub fn write(&self) -> String {
        #[derive(Serialize)]
        struct Question<'a> {
            mac: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            reference: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            phone: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            otp: Option<&'a str>,
        }
        let (mac, reference, phone, otp) = match self {
            Self::Reference { reference, mac } => (mac, Some(reference.as_str()), None, None),
            Self::SendCode { phone, mac } => (mac, None, Some(phone.as_str()), None),
            Self::CheckCode { phone, otp, mac } => (mac, None, Some(phone.as_str()), Some(otp.as_str())),
        };
        let question = Question { mac: mac.to_string(), reference, phone, otp };
        serde_json::to_string(&question).unwrap_or_default()
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reference { .. } => "Reference",
            Self::SendCode { .. } => "SendCode",
            Self::CheckCode { .. } => "CheckCode",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_the_fields_of_its_kind_only() {
        let mac: Mac = "02:77:00:00:00:01".parse().unwrap();
        let (phone, otp) = ("+255700000417".to_owned(), "123456".to_owned());
        let reference = Wanted::Reference { reference: "DFJ9B1FPQ8".into(), mac };
        assert_eq!(reference.write(), r#"{"mac":"02:77:00:00:00:01","reference":"DFJ9B1FPQ8"}"#);
        let send = Wanted::SendCode { phone: phone.clone(), mac };
        assert_eq!(send.write(), r#"{"mac":"02:77:00:00:00:01","phone":"+255700000417"}"#);
        let check = Wanted::CheckCode { phone, otp, mac };
        assert_eq!(check.write(), r#"{"mac":"02:77:00:00:00:01","phone":"+255700000417","otp":"123456"}"#);
        assert!([reference, send, check].iter().all(|wanted| !format!("{wanted:?}").contains("7")));
    }
}
