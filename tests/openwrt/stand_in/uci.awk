# What `uci` does with files: reads settings, does one command or a batch of them, and prints or writes what came of it.
# To be run with -v folder= -v staged= -v deaf= -v verb=, and the commands of a batch on its input.

BEGIN {
    apostrophe = sprintf("%c", 39)
    if (verb == "batch") {
        while ((getline line) > 0) { if (!change(line)) complain() }
        for (package in is_changed) {
            printf "%s", text_of(package) >(staged "/" package)
            close(staged "/" package)
        }
        exit 0
    }
    target = ENVIRON["target"]
    if (verb == "export") {
        if (!load(target)) exit 1
        printf "package %s\n%s", target, text_of(target)
        exit 0
    }
    if (verb == "get") {
        if (!find(target) || option == "") exit 1
        exit !print_values()
    }
    exit 255
}

# The words of a line, as uci takes them: quoted or bare pieces are joined, a # begins a remark.
function split_words(line,    i, c, quote, word, is_word, count) {
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (quote != "") {
            if (c == quote) quote = ""
            else if (quote == "\"" && c == "\\") word = word substr(line, ++i, 1)
            else word = word c
        } else if (c == apostrophe || c == "\"") { quote = c; is_word = 1 }
        else if (c == "\\") { word = word substr(line, ++i, 1); is_word = 1 }
        else if (c == " " || c == "\t") {
            if (is_word) words[++count] = word
            word = ""; is_word = 0
        } else if (c == "#" && !is_word) break
        else { word = word c; is_word = 1 }
    }
    if (is_word) words[++count] = word
    return count + 0
}

# Reads a package once, what is staged rather than what is committed.
function load(package,    path, line, count, is_there, section) {
    if (package in is_loaded) return 1
    path = staged "/" package
    if ((getline line < path) < 0) path = folder "/" package
    else close(path)
    while ((count = getline line < path) > 0) {
        is_there = 1
        count = split_words(line)
        if (words[1] == "config" && count > 1) {
            section = add_section(package, words[2], count > 2 ? words[3] : "")
        } else if (words[1] == "option" && count > 2) set_option(section, words[2], words[3])
        else if (words[1] == "list" && count > 2) add_entry(section, words[2], words[3], 1)
    }
    close(path)
    if (!is_there && count < 0) return 0
    is_loaded[package] = 1
    return 1
}

function add_section(package, kind, name) {
    sections++
    package_of[sections] = package; kind_of[sections] = kind; name_of[sections] = name; entries[sections] = 0
    return sections
}

# Finds PACKAGE.SECTION[.OPTION]: sets `found`, which is 0 if there is no such section, and `package`, `name`, `option`.
function find(place,    parts, i, number, kind) {
    found = 0
    split(place, parts, ".")
    package = parts[1]; name = parts[2]; option = parts[3]
    if (!load(package)) return 0
    if (name ~ /^@[a-z_-]+\[[0-9]+\]$/) {
        kind = substr(name, 2, index(name, "[") - 2)
        number = substr(name, index(name, "[") + 1) + 0
    }
    for (i = 1; i <= sections && !found; i++) {
        if (package_of[i] != package) continue
        if (kind == "" ? name_of[i] == name : kind_of[i] == kind && number-- == 0) found = i
    }
    return found
}

# Does one line of a batch; 0 if it is refused.
function change(line,    at, does, place, value) {
    if (split_words(line) != 2) return 0
    does = words[1]; place = words[2]; at = index(place, "=")
    if (at) { value = substr(place, at + 1); place = substr(place, 1, at - 1) }
    if (deaf && (does == "delete" || does == "add_list")) return 0
    find(place)
    if (!(package in is_loaded)) return 0
    is_changed[package] = 1
    if (does == "set" && option == "") {
        if (found) kind_of[found] = value
        else add_section(package, value, name)
        return 1
    }
    if (!found) return 0
    if (does == "set") { set_option(found, option, value); return 1 }
    if (does == "add_list") { add_entry(found, option, value, 1); return 1 }
    if (does == "del_list") { remove_entries(found, option, value, 1); return 1 }
    if (does != "delete") return 0
    if (option != "") return remove_entries(found, option, "", 0)
    package_of[found] = ""
    return 1
}

function set_option(section, key, value,    i) {
    for (i = 1; i <= entries[section]; i++) {
        if (key_of[section, i] == key && !is_list[section, i]) { value_of[section, i] = value; return }
    }
    remove_entries(section, key, "", 0)
    add_entry(section, key, value, 0)
}

# A value of a list comes behind the others.
function add_entry(section, key, value, listed,    i, at) {
    at = ++entries[section]
    if (listed) {
        for (i = at - 1; i >= 1 && key_of[section, i] != key; i--) {}
        for (; i >= 1 && at > i + 1; at--) copy(section, at - 1, at)
    }
    key_of[section, at] = key; value_of[section, at] = value; is_list[section, at] = listed
}

# All entries of a key, or those with a value. How many there were.
function remove_entries(section, key, value, only_of_value,    i, kept, removed) {
    for (i = 1; i <= entries[section]; i++) {
        if (key_of[section, i] == key && (!only_of_value || value_of[section, i] == value)) removed++
        else copy(section, i, ++kept)
    }
    entries[section] = kept + 0
    return removed + 0
}

function copy(section, from, to) {
    key_of[section, to] = key_of[section, from]
    value_of[section, to] = value_of[section, from]
    is_list[section, to] = is_list[section, from]
}

function print_values(    i, line, count) {
    for (i = 1; i <= entries[found]; i++) {
        if (key_of[found, i] == option) line = line (count++ ? " " : "") value_of[found, i]
    }
    if (count) print line
    return count > 0
}

function text_of(package,    i, j, text) {
    for (i = 1; i <= sections; i++) {
        if (package_of[i] != package) continue
        text = text "\nconfig " kind_of[i] (name_of[i] == "" ? "" : " " quoted(name_of[i])) "\n"
        for (j = 1; j <= entries[i]; j++) {
            text = text "\t" (is_list[i, j] ? "list" : "option") " " key_of[i, j] " " quoted(value_of[i, j]) "\n"
        }
    }
    return text
}

function quoted(value) {
    gsub(apostrophe, apostrophe "\\" apostrophe apostrophe, value)
    return apostrophe value apostrophe
}

function complain() { print "uci: Entry not found" | "cat >&2" }
