# shellcheck shell=dash
# Stands in for OpenWrt's functions of these names: what Lango's init scripts and packages ask of them.

append() { eval "$1=\"\${$1:+\$$1 }\$2\""; }
list_contains() { eval "case \" \$$1 \" in *\" $2 \"*) ;; *) return 1 ;; esac"; }

# What uci exports reads as commands: `config`, `option` and `list` note what they are told.
config_load() {
	local it
	for it in $config_noted; do unset "$it"; done
	config_noted='' config_sections='' config_count=0
	eval "$(uci -q export "$1")"
}
package() { :; }
config() {
	config_count=$((config_count + 1))
	config_section="${2:-cfg$config_count}"
	append config_sections "$config_section"
	option TYPE "$1"
}
option() {
	append config_noted "config_${config_section}_$1"
	eval "config_${config_section}_$1=\$2"
}
list() {
	append config_noted "config_${config_section}_$1"
	append "config_${config_section}_$1" "$2"
}
config_get() { eval "$1=\${config_$2_$3:-\$4}"; }
config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}
config_foreach() {
	local section kind
	for section in $config_sections; do
		config_get kind "$section" TYPE
		[ "$kind" != "$2" ] || "$1" "$section"
	done
}

# Of opkg's packages: what each of them has done around its own scripts.
info=/usr/lib/opkg/info

# `lango=468:lango=468` of the package's control file.
add_group_and_user() {
	local wanted name group
	wanted="$(sed -n 's/^Require-User: //p' "$info/$1.control")"
	[ -n "$wanted" ] || return 0
	name="${wanted%%=*}" group="${wanted#*:}"
	grep -q "^${group%=*}:" /etc/group || echo "${group%=*}:x:${group#*=}:" >>/etc/group
	grep -q "^$name:" /etc/passwd && return 0
	wanted="${wanted%%:*}"
	echo "$name:x:${wanted#*=}:${group#*=}:$name:/var/run/$name:/bin/false" >>/etc/passwd
	echo "$name:x:0:0:99999:7:::" >>/etc/shadow
}

default_postinst() {
	local name file failed=0
	name="$(basename "${1%.*}")"
	add_group_and_user "$name"
	own_part "$name.postinst-pkg" || failed=$?
	for file in $(files_in /etc/uci-defaults); do
		# shellcheck disable=SC1090 # the package's
		[ ! -f "$file" ] || { (. "$file") && rm "$file"; }
	done
	for file in $(files_in /etc/init.d); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
	return "$failed"
}

default_prerm() {
	local name file failed=0
	name="$(basename "${1%.*}")"
	own_part "$name.prerm-pkg" || failed=$?
	for file in $(files_in /etc/init.d); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
	return "$failed"
}

files_in() { sed -n "\\,^$1/,p" "$info/$name.list"; }
# shellcheck disable=SC1090 # the package's
own_part() { [ ! -e "$info/$1" ] || (. "$info/$1"); }
