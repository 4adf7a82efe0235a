//! Whether HTML of the operator may stand in a page.
//!
//! Owns: the elements and attributes that there may be, and that each element is closed, so that a part cannot
//! swallow the form behind it. Never: mends anything; a part is taken as it is, or not at all.
//! Stricter than browsers are: what is understood here means the same to all of them.

use super::theme::Wrong;

const ELEMENTS: &str = "a abbr address b bdi blockquote br cite code dd details div dl dt em figcaption figure \
    h2 h3 h4 hr i img li mark nav ol p q s section small span strong sub summary sup table tbody td th thead \
    time tr u ul wbr";
/// Elements that nothing closes.
const VOID: &str = "br hr img wbr";
const ATTRIBUTES: &str = "alt class colspan datetime dir height href hreflang lang open role rowspan scope src \
    title width";
/// What a link may begin with.
const LINKS: &[&str] = &["/", "#", "https://", "http://", "tel:", "sms:", "mailto:"];

/// Says where `text` has what a part may not have.
pub(super) fn check(text: &str) -> Result<(), Wrong> {
    let mut open = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let wrong = |what| Wrong::at(text, text.len() - after.len(), what);
        let Some((tag, behind)) = after.split_once('>') else {
            return Err(wrong("a < without its >; the sign itself is written &lt;".to_owned()));
        };
        match tag.strip_prefix('/') {
            Some(name) => close(name.trim_end(), &mut open),
            None => element(tag).map(|name| {
                if !has(VOID, name) {
                    open.push(name);
                }
            }),
        }
        .map_err(wrong)?;
        rest = behind;
    }
    match open.last() {
        Some(name) => {
            Err(Wrong::at(text, text.len(), format!("<{name}> is not closed by the end of the file")))
        }
        None => Ok(()),
    }
}

fn close(name: &str, open: &mut Vec<&str>) -> Result<(), String> {
    match open.pop() {
        Some(last) if last == name => Ok(()),
        Some(last) => Err(format!("</{}> where <{last}> has to be closed first", shown(name))),
        None => Err(format!("</{}> closes what is not open", shown(name))),
    }
}

/// The name of the element that `tag` opens.
fn element(tag: &str) -> Result<&str, String> {
    let (name, mut rest) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
    let name = name.trim_end_matches('/');
    if name.starts_with('!') {
        return Err("a comment would be sent to every guest; leave it out".to_owned());
    }
    if !has(ELEMENTS, name) {
        return Err(format!(
            "<{}> may not be in a part; there may be {ELEMENTS}, in small letters",
            shown(name)
        ));
    }
    while let Some((attribute, value, behind)) = attribute(rest)? {
        judge(attribute, value)?;
        rest = behind;
    }
    Ok(name)
}

/// The first attribute, its value, and what follows.
fn attribute(text: &str) -> Result<Option<(&str, &str, &str)>, String> {
    let text = text.trim_ascii_start();
    if text.is_empty() || text == "/" {
        return Ok(None);
    }
    let ends = |c: char| c == '=' || c == '/' || c.is_ascii_whitespace();
    let (name, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    let Some(quoted) = rest.strip_prefix('=') else { return Ok(Some((name, "", rest))) };
    let unquoted = || format!("the value of {} needs quotes, and no < or > within them", shown(name));
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(unquoted)?;
    let (value, rest) = quoted.get(1..).and_then(|rest| rest.split_once(quote)).ok_or_else(unquoted)?;
    if value.contains('<') || !(rest.is_empty() || rest.starts_with(ends)) {
        return Err(unquoted());
    }
    Ok(Some((name, value, rest)))
}

fn judge(name: &str, value: &str) -> Result<(), String> {
    let why = match name {
        "style" => "has no effect in a page, whose only style is hashed; use class, and style.css",
        "src" if !value.starts_with("data:image/") => {
            "has to begin with data:image/, for pages load nothing from elsewhere"
        }
        "href" if !LINKS.iter().any(|start| value.starts_with(start)) => {
            "has to begin with one of / # https:// http:// tel: sms: mailto:"
        }
        name if name.starts_with("on") => "would run a script, and pages run none but their own",
        name if has(ATTRIBUTES, name) => return Ok(()),
        name if name
            .strip_prefix("aria-")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase())) =>
        {
            return Ok(());
        }
        _ => "may not be in a part",
    };
    Err(format!("{} {why}", shown(name)))
}

fn has(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|own| own == word)
}

/// What an operator wrote, fit for a line of the log.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(20).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_an_operator_writes() {
        for good in [
            "",
            "plain &lt; text",
            "<p class=\"soft\">Ask at the <b>kiosk</b>,<br>or call <a href='tel:+255700000000'>us</a></p>\n",
            "<img alt=\"\" width=\"20\" src=\"data:image/png;base64,AAAA\"/>",
            "<details open><summary>?</summary><ul><li>1</li></ul></details >",
            "<p aria-label=\"a\"\n lang=\"sw\">ж</p>",
        ] {
            assert!(check(good).is_ok(), "{good}: {:?}", check(good));
        }
    }

    #[test]
    fn refuses_what_would_run_load_or_swallow() {
        for (bad, line, why) in [
            ("a\n<script>alert(1)</script>", 2, "<script> may not"),
            ("<SCRIPT src=x>", 1, "<SCRIPT> may not"),
            ("<iframe src=\"https://example.net\"></iframe>", 1, "<iframe>"),
            ("<form action=\"/\"></form>", 1, "<form>"),
            ("<svg><p>", 1, "<svg>"),
            ("<textarea>", 1, "<textarea>"),
            ("<p/onclick=alert(1)>", 1, "may not"),
            ("<p onclick=\"alert(1)\"></p>", 1, "onclick would run"),
            ("<p ONCLICK=\"alert(1)\"></p>", 1, "may not"),
            ("<p class=\"a\"onclick=\"alert(1)\"></p>", 1, "quotes"),
            ("<p title=a></p>", 1, "quotes"),
            ("<p title=\"a>b\"></p>", 1, "quotes"),
            ("<p title=\"a</p>", 1, "quotes"),
            ("<p title=\"<b>\"></p>", 1, "quotes"),
            ("<p style=\"color:red\"></p>", 1, "style.css"),
            ("<p id=\"code\"></p>", 1, "id may not"),
            ("<a href=\"javascript:alert(1)\">x</a>", 1, "href has to"),
            ("<a href=\" javascript:alert(1)\">x</a>", 1, "href has to"),
            ("<a href=\"&#106;avascript:alert(1)\">x</a>", 1, "href has to"),
            ("<img src=\"https://example.net/a.png\">", 1, "src has to"),
            ("<img src=\"/a.png\">", 1, "src has to"),
            ("<!-- a --><p></p>", 1, "comment"),
            ("<p>a < b</p>", 1, "may not"),
            ("a\n\n<p", 3, "without its >"),
            ("<div>\n<p></p>\n", 3, "<div> is not closed"),
            ("<div><p></div></p>", 1, "</div> where <p>"),
            ("</main>", 1, "not open"),
            ("<p></p></section>", 1, "not open"),
        ] {
            let wrong = check(bad).expect_err(bad);
            assert!(wrong.what.contains(why) && wrong.line == line, "{bad}: {}: {}", wrong.line, wrong.what);
        }
    }
}
