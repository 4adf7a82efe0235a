/*
 * Stand-in for LuCI's cbi.js: translations by the hash of a text, and String.format as far as Lango's pages use it.
 * Written for the tests; not LuCI's code.
 */
'use strict';

function sfh(text) {
	var bytes = new TextEncoder().encode(text);
	var signed = new Int8Array(bytes.buffer);
	var hash = bytes.length, at = 0;

	for (var left = bytes.length >> 2; left > 0; left--, at += 4) {
		hash = hash + (bytes[at] | bytes[at + 1] << 8) >>> 0;
		hash = (hash << 16 ^ ((bytes[at + 2] | bytes[at + 3] << 8) << 11 ^ hash)) >>> 0;
		hash = hash + (hash >>> 11) >>> 0;
	}

	switch (bytes.length & 3) {
	case 3:
		hash = hash + (bytes[at] | bytes[at + 1] << 8) >>> 0;
		hash = (hash ^ hash << 16 ^ signed[at + 2] << 18) >>> 0;
		hash = hash + (hash >>> 11) >>> 0;
		break;
	case 2:
		hash = hash + (bytes[at] | bytes[at + 1] << 8) >>> 0;
		hash = (hash ^ hash << 11) >>> 0;
		hash = hash + (hash >>> 17) >>> 0;
		break;
	case 1:
		hash = hash + signed[at] >>> 0;
		hash = (hash ^ hash << 10) >>> 0;
		hash = hash + (hash >>> 1) >>> 0;
		break;
	}

	[ [ 3, 5 ], [ 4, 17 ], [ 25, 6 ] ].forEach(function(by) {
		hash = (hash ^ hash << by[0]) >>> 0;
		hash = hash + (hash >>> by[1]) >>> 0;
	});

	return (0x100000000 + hash).toString(16).slice(1);
}

function _(text) {
	return (window.TR && window.TR[sfh(text.trim())]) || text;
}

String.prototype.format = function() {
	var values = Array.from(arguments);

	return this.replace(/%([sdh%])/g, function(whole, kind) {
		if (kind == '%')
			return '%';

		var value = values.shift();

		if (kind == 'd')
			return Math.trunc(+value) || 0;

		value = value == null ? '' : String(value);
		return kind == 'h' ? value.replace(/[&<>"']/g, function(c) { return '&#%d;'.format(c.charCodeAt(0)); }) : value;
	});
};
