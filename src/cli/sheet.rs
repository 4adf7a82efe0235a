//! A sheet of vouchers to print and cut: A4, black on white, a QR code each, one self-contained HTML file.
//!
//! The QR code holds the portal's address with the code in it, so that a guest who is on the hotspot's Wi-Fi
//! has nothing to type. Everything that is not ours is escaped.

use std::fmt::{self, Write as _};
use std::io;

use qrcodegen::{QrCode, QrCodeEcc};

use crate::wire::control::{Sheet, VoucherMade, VouchersMade};

/// Vouchers on a page: 3 beside each other, 8 below each other.
const PAGE: usize = 24;

const STYLE: &str = "\
@page{size:A4;margin:8mm}\
*{box-sizing:border-box;margin:0}\
body{background:#fff;color:#000;font:9pt/1.25 sans-serif}\
section{display:grid;grid-template-columns:repeat(3,1fr);grid-auto-rows:35mm;break-after:page;\
border-top:.2mm dashed #777;border-left:.2mm dashed #777}\
section:last-child{break-after:auto}\
article{display:flex;gap:2mm;padding:2mm;overflow:hidden;break-inside:avoid;\
border-right:.2mm dashed #777;border-bottom:.2mm dashed #777}\
svg{width:26mm;height:26mm;flex:none;align-self:center}\
div{flex:1;min-width:0;display:flex;flex-direction:column;justify-content:space-between;overflow-wrap:anywhere}\
h1{font-size:9pt;max-height:2.5em;overflow:hidden}\
h2{font-size:9pt;font-weight:normal;max-height:2.5em;overflow:hidden}\
b{font:bold 12pt/1.1 monospace}\
small{font-size:7pt}\
@media screen{body{width:194mm;margin:8mm auto}}";

/// Writes the whole page.
pub(super) fn write(made: &VouchersMade, out: &mut dyn io::Write) -> io::Result<()> {
    let title = Escaped(&made.sheet.title);
    writeln!(out, "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title>")?;
    writeln!(out, "<style>{STYLE}</style></head><body>")?;
    for page in made.vouchers.chunks(PAGE) {
        writeln!(out, "<section>")?;
        for voucher in page {
            writeln!(out, "{}", article(&made.sheet, voucher))?;
        }
        writeln!(out, "</section>")?;
    }
    writeln!(out, "</body></html>")
}

fn article(sheet: &Sheet, voucher: &VoucherMade) -> String {
    let Sheet { portal_name, title, plan_title, price, currency, support_phone } = sheet;
    let code = voucher.code.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let sold_at = format!("{price} {currency}");
    let small = [voucher.batch.as_str(), support_phone].into_iter().filter(|text| !text.is_empty());
    format!(
        "<article>{}<div><h1>{}</h1><h2>{}{}</h2><b>{}</b><small>http://{}<br>{}</small></div></article>",
        svg(&format!("http://{portal_name}/?code={code}")),
        Escaped(title),
        Escaped(plan_title),
        if price.is_empty() { String::new() } else { format!("<br>{}", Escaped(sold_at.trim())) },
        Escaped(&voucher.code),
        Escaped(portal_name),
        small.map(|text| Escaped(text).to_string()).collect::<Vec<_>>().join("<br>"),
    )
}

/// A QR code with the quiet zone of 4 modules that readers need; empty if the text is too long for any.
fn svg(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
            if run > 0 {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + 4, y + 4);
            }
            x += i32::try_from(run).unwrap_or(0) + 1;
        }
    }
    let side = code.size() + 8;
    format!("<svg viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><path d=\"{path}\"/></svg>")
}

/// A text as it stands in HTML, between tags or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|symbol| match symbol {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: usize, title: &str) -> String {
        let voucher = VoucherMade {
            code: "4821 9937 05".to_owned(),
            plan: "hour".to_owned(),
            batch: "B20261122-2217".to_owned(),
        };
        let sheet = Sheet {
            portal_name: "wifi.lango".to_owned(),
            title: title.to_owned(),
            plan_title: "Saa 1".to_owned(),
            price: "500".to_owned(),
            currency: "TZS".to_owned(),
            support_phone: "+255700000000".to_owned(),
        };
        let mut out = Vec::new();
        write(&VouchersMade { vouchers: vec![voucher; count], sheet }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_voucher_has_its_code_and_what_it_is_for() {
        let page = page(25, "Kariakoo");
        for text in [
            "<svg",
            "4821 9937 05",
            "Saa 1<br>500 TZS",
            "http://wifi.lango<",
            "B20261122-2217",
            "+255700000000",
        ] {
            assert_eq!(page.matches(text).count(), 25, "{text}");
        }
        assert_eq!(page.matches("<section>").count(), 2);
    }

    #[test]
    fn nothing_on_the_sheet_can_be_markup() {
        let page = page(1, "</title><script>alert('1')</script>&\"");
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;/title&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
    }

    #[test]
    fn the_qr_code_is_drawn_module_by_module() {
        let text = "http://wifi.lango/?code=4821993705";
        let drawn = svg(text);
        let path = drawn.split("d=\"M").nth(1).unwrap().split('"').next().unwrap();
        let mut black = std::collections::BTreeSet::new();
        for run in path.split('M') {
            let (place, rest) = run.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            let length: i32 = rest.split('v').next().unwrap().parse().unwrap();
            black.extend((0..length).map(|step| (x + step - 4, y - 4)));
        }
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        for (x, y) in (0..code.size()).flat_map(|x| (0..code.size()).map(move |y| (x, y))) {
            assert_eq!(black.contains(&(x, y)), code.get_module(x, y), "at {x} {y}");
        }
    }
}
