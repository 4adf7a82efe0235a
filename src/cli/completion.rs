//! Completion for shells, from the table of commands.
//!
//! Owns: what bash and zsh are told; the ash of OpenWrt cannot complete. Never: asks the daemon, for a key has to be
//! answered at once. Neighbours: `commands` and `options`.

use super::commands::{COMMANDS, Command};
use super::options::Opt;

/// A script that bash reads.
pub(super) fn bash() -> String {
    let mut text = HEAD.to_owned();
    for spelling in Opt::ALL.iter().map(|opt| opt.spelling()) {
        let what = match spelling.value {
            Some("PATH" | "FILE") => FILES.to_owned(),
            Some(value) if value.contains('|') => offer(value.split('|')),
            // Whatever it is, it is no option.
            Some(_) => "return".to_owned(),
            None => continue,
        };
        text.push_str(&format!("    --{}) {what} ;;\n", spelling.name));
    }
    text.push_str("    *) case \"$said \" in\n");
    let firsts = COMMANDS.iter().map(|command| command.words.split(' ').next().unwrap_or_default());
    let mut firsts = firsts.collect::<Vec<_>>();
    firsts.dedup();
    text.push_str(&format!("        ' ') {} ;;\n", offer(firsts.iter().copied())));
    for command in COMMANDS {
        text.push_str(&format!("        ' {} '*) {} ;;\n", command.words, arguments(command)));
    }
    // Behind its members, which are longer.
    for group in firsts {
        let members = COMMANDS.iter().filter_map(|command| command.words.split_once(' '));
        let members = members.filter(|(of, _)| *of == group).map(|(_, member)| member).collect::<Vec<_>>();
        if !members.is_empty() {
            text.push_str(&format!("        ' {group} ') {} ;;\n", offer(members.into_iter())));
        }
    }
    text + FOOT
}

/// The same for zsh, which reads what bash does.
pub(super) fn zsh() -> String {
    format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash())
}

const HEAD: &str = "\
_lango() {
    local cur=\"${COMP_WORDS[COMP_CWORD]}\" said='' words='' word
    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do
        case $word in -*) ;; *) said=\"$said $word\" ;; esac
    done
    case \"${COMP_WORDS[COMP_CWORD-1]}\" in
";

const FILES: &str = "COMPREPLY=($(compgen -f -- \"$cur\")); return";

const FOOT: &str = "    esac ;;
    esac
    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))
}
complete -F _lango lango
";

/// The options of a command, and its argument where that is one of a few words or a file.
fn arguments(command: &Command) -> String {
    let options = command.options.iter().map(|opt| format!("--{}", opt.spelling().name));
    let mut words = options.chain(["--help".to_owned()]).collect::<Vec<_>>();
    let first = command.usage.split(' ').next().unwrap_or_default();
    match first.trim_matches(['[', ']']) {
        file if file.starts_with("FILE") => {
            format!("case $cur in -*) {} ;; *) {FILES} ;; esac", offer(words.iter().map(String::as_str)))
        }
        few if few.chars().all(|c| c.is_ascii_lowercase() || c == '|') && !few.is_empty() => {
            words.extend(few.split('|').map(str::to_owned));
            offer(words.iter().map(String::as_str))
        }
        _ => offer(words.iter().map(String::as_str)),
    }
}

fn offer<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("words='{}'", words.collect::<Vec<_>>().join(" "))
}
