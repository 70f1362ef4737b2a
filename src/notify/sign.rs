//! Signatures: HMAC with SHA-256, and of what each form makes one.
//!
//! To add a form: a function here, a variant of `inventory::notify::SignForm`, its use in `Post`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;

use super::body::Signed;
use crate::text::Secret;

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

/// Seconds since the epoch, and `sha256=` with the hex HMAC of `SECONDS.BODY`: who checks both knows
/// who sent it, and that it is not an old message played again.
pub(super) fn header(key: &Secret<Vec<u8>>, at: Timestamp, body: &str) -> (String, String) {
    let time = at.as_second().to_string();
    let mac = mac(key.expose(), format!("{time}.{body}").as_bytes());
    let hex: String = mac.iter().map(|b| format!("{b:02x}")).collect();
    (time, format!("sha256={hex}"))
}

/// DingTalk's custom robots: milliseconds, and the base64 HMAC of `MILLISECONDS\nKEY` by the key.
pub(super) fn dingtalk(key: &Secret<Vec<u8>>, at: Timestamp) -> Signed {
    let timestamp = at.as_millisecond().to_string();
    let mut text = format!("{timestamp}\n").into_bytes();
    text.extend_from_slice(key.expose());
    let sign = STANDARD.encode(mac(key.expose(), &text));
    Signed { timestamp, sign }
}

/// Feishu's custom bots: seconds, and the base64 HMAC of nothing by `SECONDS\nKEY`.
pub(super) fn feishu(key: &Secret<Vec<u8>>, at: Timestamp) -> Signed {
    let timestamp = at.as_second().to_string();
    let mut by = format!("{timestamp}\n").into_bytes();
    by.extend_from_slice(key.expose());
    let sign = STANDARD.encode(mac(&by, b""));
    Signed { timestamp, sign }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Secret<Vec<u8>> {
        Secret::new(text.as_bytes().to_vec())
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_hmac_is_that_of_the_standard() {
        let hex: String = mac(b"Jefe", b"what do ya want for nothing?")
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            hex,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn each_form_signs_what_its_receiver_checks() {
        let at: Timestamp = "2026-11-22T02:00:00.250Z".parse().unwrap();
        let (time, sign) = header(&key("k"), at, "{}");
        assert_eq!(time, "1795312800");
        assert_eq!(sign.len(), "sha256=".len() + 64);
        assert_ne!(sign, header(&key("k"), at, "{ }").1);
        assert_ne!(sign, header(&key("l"), at, "{}").1);
        let ding = dingtalk(&key("k"), at);
        assert_eq!(ding.timestamp, "1795312800250");
        assert_eq!(ding.sign, STANDARD.encode(mac(b"k", b"1795312800250\nk")));
        let feishu = feishu(&key("k"), at);
        assert_eq!(feishu.timestamp, "1795312800");
        assert_eq!(feishu.sign, STANDARD.encode(mac(b"1795312800\nk", b"")));
    }
}
