'use strict';
'require view';
'require poll';
'require ui';
'require lango.daemon as daemon';
'require lango.text as text';

/* The daemon looks at much for this; once a minute is enough. */
var CHECKS_EVERY = 60;

function uplink(state) {
	return {
		up: _('the internet is reached'),
		down: _('the internet is NOT reached')
	}[state] || _('not known yet');
}

function cloud(link) {
	if (link.last_error)
		return [
			_('not in step since %s').format(link.since ? text.when(link.since) : _('the start')),
			link.last_error,
			link.remedy
		].filter(Boolean).join('; ');
	if (!link.configured)
		return _('none is set');

	return link.last_success ? _('in step, last %s').format(text.when(link.last_success)) : _('not reached yet');
}

function oddities(odd) {
	return odd && (odd.addresses || odd.ports || odd.new_devices) ?
		_('%d addresses claimed twice, %d devices at two ports, %d new devices past the limit')
			.format(odd.addresses, odd.ports, odd.new_devices) : _('none');
}

return view.extend({
	checks: null,
	checked: 0,
	busy: false,

	load: function() {
		return this.ask();
	},

	/* All that is shown; `error` or a daemon that does not run stand in its place. */
	ask: function() {
		return daemon.status().then(L.bind(function(status) {
			if (!status.running)
				return { status: status };

			return Promise.all([ daemon.sessions(), this.check() ]).then(function(answers) {
				return { status: status, sessions: answers[0], checks: answers[1] };
			});
		}, this)).catch(function(error) {
			return { error: error };
		});
	},

	check: function() {
		if (this.checks && Date.now() - this.checked < CHECKS_EVERY * 1000)
			return this.checks;

		return daemon.doctor().then(L.bind(function(answer) {
			this.checks = answer.checks;
			this.checked = Date.now();
			return this.checks;
		}, this));
	},

	stopped: function(status) {
		return E('div', { 'class': 'alert-message warning', 'id': 'lango-stopped' }, [
			E('h4', {}, [ _('Lango is not running') ]),
			E('p', {}, [ _('No voucher can be used now; who was online before stays online until the time is used up.') ]),
			E('p', {}, [
				_('To start it: switch it on under Configuration, then start "lango" under System, Startup, or type:'),
				' ', E('code', {}, [ '/etc/init.d/lango start' ])
			]),
			E('p', {}, [ '%s (%s)'.format(status.message, status.version) ])
		]);
	},

	summary: function(status) {
		var vouchers = status.vouchers;
		var rows = [
			[ _('Site'), status.site ],
			[ _('Uplink'), uplink(status.uplink) ],
			[ _('Cloud'), cloud(status.cloud) ],
			[ _('Waiting for the cloud'), _('%d messages').format(status.cloud.outbox) ],
			[ _('Clock'), (status.clock.trusted ? _('%s, trusted') : _('%s or later, NOT trusted'))
				.format(text.when(status.clock.now)) ],
			[ _('Rules in the kernel'), status.rules_intact ? _('intact') : _('NOT intact') ],
			[ _('Vouchers'), _('%d unused, %d in use, %d used up')
				.format(vouchers.unused, vouchers.active, vouchers.spent) ],
			[ _('Odd things on the guest network'), oddities(status.anomalies) ],
			[ _('Running for'), text.duration(status.uptime_s) ],
			[ _('Version'), status.version ]
		];

		return E('table', { 'class': 'table', 'id': 'lango-summary' }, rows.map(function(row) {
			return E('tr', { 'class': 'tr' }, [
				E('td', { 'class': 'td left', 'width': '33%' }, [ row[0] ]),
				E('td', { 'class': 'td left' }, [ row[1] ])
			]);
		}));
	},

	alarms: function(checks) {
		var wrong = checks.filter(function(check) { return check.state != 'ok'; });

		if (!wrong.length)
			return E('p', { 'id': 'lango-alarms' }, [ _('All checks passed.') ]);

		return E('div', { 'id': 'lango-alarms' }, wrong.map(function(check) {
			var failed = check.state == 'fail';

			return E('div', { 'class': failed ? 'alert-message danger' : 'alert-message warning' }, [
				E('h4', {}, [ '%s: %s'.format(failed ? _('Wrong') : _('Worth a look'), check.check) ]),
				E('p', {}, [ check.message ]),
				check.remedy ? E('p', {}, [ _('What to do: %s').format(check.remedy) ]) : ''
			]);
		}));
	},

	online: function(answer) {
		var rows = answer.sessions.map(L.bind(function(session) {
			return [
				text.tail(session.mac),
				session.addresses.join(' '),
				session.plan,
				text.origin(session.origin),
				text.left(session.seconds_left, text.duration),
				text.left(session.bytes_left, text.size),
				text.size(session.bytes_up + session.bytes_down),
				E('button', {
					'class': 'btn cbi-button cbi-button-remove lango-logout',
					'data-session': session.id,
					'disabled': L.hasViewPermission() ? null : true,
					'click': ui.createHandlerFn(this, 'handleLogout', session.id)
				}, [ _('Log out') ])
			];
		}, this));

		return E('div', {}, [
			text.table('lango-sessions', [
				_('Device'), _('Addresses'), _('Plan'), _('By'), _('Time left'), _('Data left'), _('Used'), ''
			], rows, _('Nobody is online.')),
			answer.left_out ? E('p', {}, [ _('%d more are not shown.').format(answer.left_out) ]) : ''
		]);
	},

	contents: function(answer) {
		if (answer.error)
			return E('div', {}, [ E('div', { 'class': 'alert-message danger' }, text.reasons(answer.error)) ]);
		if (!answer.status.running)
			return E('div', {}, [ this.stopped(answer.status) ]);

		return E('div', {}, [
			E('div', { 'class': 'cbi-section' }, [ this.summary(answer.status) ]),
			E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('Alarms') ]), this.alarms(answer.checks) ]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Online now: %d').format(answer.status.sessions) ]),
				this.online(answer.sessions)
			])
		]);
	},

	refresh: function() {
		if (this.busy)
			return Promise.resolve();

		return this.ask().then(L.bind(function(answer) {
			if (!this.busy)
				text.renew(this.shown.firstChild, this.contents(answer));
		}, this));
	},

	handleLogout: function(session) {
		this.busy = true;

		return daemon.logout(session).catch(function(error) {
			text.failed(_('The device could not be logged out'), error);
		}).then(L.bind(function() {
			this.busy = false;
			return this.refresh();
		}, this));
	},

	render: function(answer) {
		this.shown = E('div', { 'id': 'lango-overview' }, [ this.contents(answer) ]);
		poll.add(L.bind(this.refresh, this), 5);

		return E('div', {}, [ E('h2', {}, [ _('Lango') ]), this.shown ]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
