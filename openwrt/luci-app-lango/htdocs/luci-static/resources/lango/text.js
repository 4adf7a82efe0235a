'use strict';
'require baseclass';
'require ui';

/*
 * Values in words. What E() gets here are arrays: it takes a bare string for HTML, and names of plans, devices and
 * lines of the log come from elsewhere.
 */
function scaled(number, step, units) {
	var unit = 0;

	while (number >= step && unit < units.length - 1) {
		number = number / step;
		unit++;
	}

	return '%s %s'.format(unit ? number.toFixed(number < 10 ? 1 : 0) : number, units[unit]);
}

/* Only what differs is replaced: a button stays the one that is being pressed, a marked text stays marked. */
function renew(shown, fresh) {
	if (shown.isEqualNode(fresh))
		return;

	var alike = shown.nodeType == 1 && shown.cloneNode(false).isEqualNode(fresh.cloneNode(false)) &&
		shown.childNodes.length == fresh.childNodes.length;

	if (!alike) {
		shown.parentNode.replaceChild(fresh, shown);
		return;
	}

	var parts = Array.from(fresh.childNodes);

	Array.from(shown.childNodes).forEach(function(part, at) { renew(part, parts[at]); });
}

return baseclass.extend({
	renew: renew,

	duration: function(seconds) {
		var days = Math.floor(seconds / 86400);
		var hours = Math.floor(seconds % 86400 / 3600);
		var minutes = Math.floor(seconds % 3600 / 60);

		if (days)
			return _('%d d %d h').format(days, hours);
		if (hours)
			return _('%d h %d min').format(hours, minutes);
		if (minutes)
			return _('%d min').format(minutes);

		return _('%d s').format(seconds);
	},

	size: function(bytes) {
		return scaled(bytes, 1000, [ 'B', 'kB', 'MB', 'GB', 'TB' ]);
	},

	/* A limit: null is none. */
	left: function(limit, words) {
		return limit == null ? _('no limit') : words.call(this, limit);
	},

	/* A moment as RFC 3339 writes it, in the time of the browser. */
	when: function(moment) {
		var date = new Date(moment);
		return isNaN(date) ? moment : date.toLocaleString();
	},

	/* The last half of an address: enough to find a device, too little to follow it. */
	tail: function(mac) {
		return '…' + mac.slice(-9);
	},

	state: function(state) {
		return {
			unused: _('unused'),
			active: _('in use'),
			spent: _('used up'),
			expired: _('expired'),
			revoked: _('revoked')
		}[state] || state;
	},

	origin: function(origin) {
		return {
			voucher: _('voucher'),
			payment: _('payment'),
			manual: _('by hand'),
			trial: _('trial'),
			cloud: _('cloud')
		}[origin] || origin;
	},

	/* Why something failed, and what to do about it. */
	reasons: function(error) {
		var reasons = [ E('p', { 'class': 'lango-error' }, [ error.message ]) ];

		if (error.remedy)
			reasons.push(E('p', {}, [ _('What to do: %s').format(error.remedy) ]));

		return reasons;
	},

	failed: function(title, error) {
		ui.addNotification(null, E('div', {}, [ E('h4', {}, [ title ]) ].concat(this.reasons(error))), 'danger');
	},

	/* A table of rows, each an array of texts or nodes. */
	table: function(id, titles, rows, empty) {
		var table = E('table', { 'class': 'table', 'id': id }, [
			E('tr', { 'class': 'tr table-titles' }, titles.map(function(title) {
				return E('th', { 'class': 'th' }, [ title ]);
			}))
		]);

		rows.forEach(function(row) {
			table.appendChild(E('tr', { 'class': 'tr' }, row.map(function(cell, at) {
				return E('td', { 'class': 'td', 'data-title': titles[at] }, [ cell ]);
			})));
		});

		if (!rows.length)
			table.appendChild(E('tr', { 'class': 'tr placeholder' }, [
				E('td', { 'class': 'td', 'colspan': titles.length }, [ E('em', {}, [ empty ]) ])
			]));

		return table;
	}
});
