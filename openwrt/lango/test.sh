#!/bin/sh

case "$1" in
lango)
	# 1.0.0-rc.1 to cargo is 1.0.0_rc1 to apk.
	lango --version | sed 's/-\([a-z]*\)\./_\1/' | grep -F "lango $2"
	;;
esac
