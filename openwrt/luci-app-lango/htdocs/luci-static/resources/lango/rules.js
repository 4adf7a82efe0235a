'use strict';
'require baseclass';

/*
 * What a value of the configuration may be: true, or what is wrong with it. `lango check` has the last word; a test
 * holds both to the same verdicts.
 */
var UNITS_OF_TIME = { s: 1, m: 60, h: 3600, d: 86400 };
var LONGEST = 36500 * 86400;

var UNITS_OF_SIZE = {
	B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12,
	KiB: 1024, MiB: 1048576, GiB: 1073741824, TiB: 1099511627776
};

var UNITS_OF_RATE = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

function plain(text, more) {
	return (new RegExp('^[A-Za-z0-9' + more + ']+$')).test(text);
}

function amount(text, units) {
	var parts = text.match(/^([0-9]+)([A-Za-z]+)$/);
	return parts && units.hasOwnProperty(parts[2]) ? +parts[1] * units[parts[2]] : null;
}

function seconds(text) {
	return amount(text, UNITS_OF_TIME);
}

function whole(text, least, most) {
	return (/^[0-9]+$/).test(text) && +text >= least && +text <= most;
}

function ipv4(text) {
	var parts = text.split('.');

	return parts.length == 4 && parts.every(function(part) {
		return (/^(0|[1-9][0-9]{0,2})$/).test(part) && +part < 256;
	}) ? parts.map(Number) : null;
}

/* The eight groups of an address, or null. */
function ipv6(text) {
	var last = text.match(/^(.*:)([0-9.]+)$/);

	if (last && last[2].indexOf('.') >= 0) {
		var four = ipv4(last[2]);

		if (!four)
			return null;

		text = last[1] + (four[0] * 256 + four[1]).toString(16) + ':' + (four[2] * 256 + four[3]).toString(16);
	}

	var halves = text.split('::');
	var groups = halves.map(function(half) { return half == '' ? [] : half.split(':'); });

	if (halves.length > 2 || !groups.every(function(half) {
		return half.every(function(group) { return (/^[0-9A-Fa-f]{1,4}$/).test(group); });
	}))
		return null;

	var count = groups[0].length + (groups[1] || []).length;

	if (halves.length == 1 ? count != 8 : count > 7)
		return null;

	var zeros = [];

	while (zeros.length < 8 - count)
		zeros.push('0');

	return groups[0].concat(zeros, groups[1] || []).map(function(group) { return parseInt(group, 16); });
}

/* Whether every bit behind the prefix is zero. */
function ends(groups, width, prefix) {
	return groups.every(function(group, at) {
		var open = Math.min(width, Math.max(0, (at + 1) * width - prefix));
		return group % Math.pow(2, open) == 0;
	});
}

function isName(text) {
	var labels = text.split('.');

	return text.length <= 253 && labels.every(function(label) {
		return label.length <= 63 && (/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/).test(label);
	}) && !(/^[0-9]*$/).test(labels[labels.length - 1]);
}

function isSocketAddress(text) {
	var parts = text.match(/^(?:\[([^\]%]+)\]|([^:\[\]]+)):([0-9]+)$/);

	if (!parts || !whole(parts[3], 1, 65535))
		return false;

	var four = parts[2] ? ipv4(parts[2]) : null;
	var six = parts[1] ? ipv6(parts[1]) : null;

	if (four)
		return four.some(Number) && !(four[0] >= 224 && four[0] < 240);

	return six != null && six.some(Number) && six[0] < 0xff00;
}

function isMoment(text) {
	var parts = text.match(/^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:[Zz]|[+-]([0-9]{2}):([0-9]{2}))$/);

	if (!parts)
		return false;

	var days = new Date(Date.UTC(2000 + parts[1] % 400, +parts[2], 0)).getUTCDate();

	return +parts[2] >= 1 && +parts[2] <= 12 && +parts[3] >= 1 && +parts[3] <= days && +parts[4] < 24 &&
		+parts[5] < 60 && +parts[6] < 60 && +(parts[7] || 0) < 24 && +(parts[8] || 0) < 60;
}

function isUrl(text) {
	var parts = text.match(/^(https|http):\/\/([^\/]*)(?:\/(.*))?$/);
	var host = parts && parts[2].match(/^(?:\[([^\]]*)\]|([^:]*))(?::([0-9]+))?$/);

	if (!host || (parts[3] && !(/^[!-~]*$/).test(parts[3])) || (/[?#"<>\\]/).test(parts[3] || ''))
		return false;
	if (host[3] != null && !whole(host[3], 1, 65535))
		return false;

	var four = host[2] ? ipv4(host[2]) : null;
	var six = host[1] ? ipv6(host[1]) : null;

	if (!four && !six && !(host[2] && isName(host[2])))
		return false;

	return parts[1] == 'https' || host[2] == 'localhost' || (four != null && four[0] == 127) ||
		(six != null && six.join() == '0,0,0,0,0,0,0,1');
}

var rules = {
	duration: function(text) {
		var span = seconds(text);

		if (span == null)
			return _('Write a whole number with its unit, as in 90s, 15m, 12h or 30d.');

		return span == 0 ? _('This is no time at all; leave it empty for none.') :
			span <= LONGEST || _('At most 36500d.');
	},

	within: function(least, most) {
		return function(text) {
			var right = rules.duration(text);

			return right !== true ? right : (seconds(text) >= seconds(least) && seconds(text) <= seconds(most)) ||
				_('Write %s to %s.').format(least, most);
		};
	},

	bytes: function(text) {
		var size = amount(text, UNITS_OF_SIZE);

		if (size == null)
			return _('Write a whole number with its unit, as in 500MB, 2GB or 512MiB.');

		return size == 0 ? _('This is nothing at all; leave it empty for no limit.') :
			size < Math.pow(2, 63) || _('Too much; leave it empty for no limit.');
	},

	rate: function(text) {
		var rate = amount(text.toLowerCase(), UNITS_OF_RATE);

		if (rate == null)
			return _('Write a whole number with its unit, as in 512kbit or 4mbit.');

		return rate == 0 ? _('This lets nothing through; leave it empty for no limit.') :
			rate <= 1e11 || _('At most 100gbit; leave it empty for no limit.');
	},

	number: function(least, most) {
		return function(text) {
			return whole(text, least, most) || _('Write a whole number from %d to %d.').format(least, most);
		};
	},

	text: function(most) {
		return function(text) {
			return Array.from(text).length <= most || _('At most %d characters.').format(most);
		};
	},

	port: function(text) {
		return whole(text, 1, 65535) || _('Write a port: 1 to 65535.');
	},

	mark: function(text) {
		var number = (/^0[xX][0-9A-Fa-f]+$/).test(text) || (/^[0-9]+$/).test(text) ? Number(text.toLowerCase()) : 0;
		var bit = Math.log2(number);

		return (number > 0 && bit % 1 == 0 && bit < 32) || _('Write exactly one bit of 32, as in 0x01000000.');
	},

	colour: function(text) {
		return (/^#[0-9A-Fa-f]{6}$/).test(text) || _('Write # and six hex digits, as in #0b7285.');
	},

	price: function(text) {
		return (/^[0-9]+(\.[0-9]+)?$/).test(text) && text.length <= 16 || _('Write digits, with a point for parts, as in 500 or 1.50.');
	},

	currency: function(text) {
		return (/^[A-Z]{3}$/).test(text) || _('Write three capital letters, as in TZS.');
	},

	moment: function(text) {
		return isMoment(text) || _('Write a moment as in 2026-12-31T23:59:59Z or 2026-12-31T23:59:59+03:00.');
	},

	publicKey: function(text) {
		return (/^[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=?$/).test(text) || _('Write the 32 bytes of the key in base64: 44 characters.');
	},

	device: function(text) {
		return ((/^[!-~]{1,15}$/).test(text) && !(/[\/:"'*\\]/).test(text) && text != '.' && text != '..') ||
			_('Write the name of a network device, such as br-guest: at most 15 letters, digits, - _ and points.');
	},

	site: function(text) {
		return (plain(text, '._-') && text.length <= 64 && !(/^\.+$/).test(text)) ||
			_('At most 64 letters, digits, points, - and _.');
	},

	name: function(text) {
		return (isName(text) && !ipv6(text)) || _('Write a DNS name, such as wifi.lango.');
	},

	gardenName: function(text) {
		return isName(text.replace(/^\*\./, '')) || _('Write a DNS name, or *.name for all below it; addresses have a list of their own.');
	},

	network: function(text) {
		var parts = text.split('/');
		var four = ipv4(parts[0]);
		var groups = four || ipv6(parts[0]);
		var longest = four ? 32 : 128;

		if (!groups || parts.length > 2 || (parts.length == 2 && (parts[1].length > 3 || !whole(parts[1], 0, longest))))
			return _('Write an address or a network, as in 203.0.113.7 or 203.0.113.0/24.');

		var prefix = parts.length == 2 ? +parts[1] : longest;

		if (prefix == 0)
			return _('This is the whole internet; name what guests may reach unpaid.');

		return ends(groups, four ? 8 : 16, prefix) || _('Bits are set behind the prefix; write the first address of the network.');
	},

	captiveAddress: function(text) {
		var four = ipv4(text);

		return (four != null && four[0] != 0 && four[0] != 127 && four[0] < 224) ||
			_('Write an IPv4 address that a phone sends packets to, such as 198.18.0.1.');
	},

	socketAddress: function(text) {
		return isSocketAddress(text) || _('Write an address with a port, as in 127.0.0.1:53 or [::1]:53.');
	},

	probe: function(text) {
		return (text.indexOf('tcp:') == 0 && isSocketAddress(text.slice(4))) ||
			_('Write tcp:ADDRESS:PORT, as in tcp:203.0.113.80:80.');
	},

	path: function(text) {
		return text.charAt(0) == '/' || _('Write an absolute path: it begins with /.');
	},

	runDir: function(text) {
		return new TextEncoder().encode(text).length > 96 ? _('At most %d characters.').format(96) : rules.path(text);
	},

	user: function(text) {
		return (/^[a-z_][A-Za-z0-9_-]{0,31}$/).test(text) || _('Write the name of a user of this system, such as lango.');
	},

	account: function(text) {
		return (/^[A-Za-z0-9._$][A-Za-z0-9._$-]{0,31}$/).test(text) || _('Write the name or the number of a user or group of this system.');
	},

	phone: function(text) {
		return (/^\+?[0-9]{3,20}$/).test(text) || _('Write 3 to 20 digits without blanks, with + before a country code.');
	},

	whatsapp: function(text) {
		return (/^[0-9]{5,20}$/).test(text) || _('Write country code and number in digits only, as in 255700000000.');
	},

	plan: function(text) {
		return (plain(text, '._-') && text.length <= 64) || _('At most 64 letters, digits, points, - and _.');
	},

	mac: function(text) {
		var pairs = text.match(/^(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$/);

		return (pairs != null && parseInt(text.slice(0, 2), 16) % 2 == 0 && (/[1-9A-Fa-f]/).test(text)) ||
			_('Write the address of one device, as in 02:00:00:00:00:01.');
	},

	url: function(text) {
		return isUrl(text) || _('Write https://HOST, without user, ? or #.');
	},

	/* Anything but a line break or its like. */
	line: function(text) {
		return !(/[\u0000-\u001f\u007f-\u009f]/).test(text) || _('Leave line breaks and other control characters out.');
	}
};

return baseclass.extend(rules);
