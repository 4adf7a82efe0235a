'use strict';
'require view';
'require dom';
'require ui';
'require lango.daemon as daemon';
'require lango.text as text';

/* So many fit the answer to one call with a sheet, and without. */
var SHEET_MOST = 96;
var MOST = 1000;

function row(id, title, field, help) {
	return E('div', { 'class': 'cbi-value' }, [
		E('label', { 'class': 'cbi-value-title', 'for': id }, [ title ]),
		E('div', { 'class': 'cbi-value-field' }, [
			field,
			help ? E('div', { 'class': 'cbi-value-description' }, [ help ]) : ''
		])
	]);
}

function input(id, attributes) {
	return E('input', Object.assign({ 'id': id, 'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off' }, attributes));
}

function value(id) {
	return document.getElementById(id).value.trim();
}

function checked(id) {
	return document.getElementById(id).checked;
}

function titleOf(plan) {
	var title = Object.keys(plan.title).map(function(language) { return plan.title[language]; })[0];
	var price = '%s %s'.format(plan.price, plan.currency).trim();

	return [ title || plan.id, title ? '(%s)'.format(plan.id) : '', price ].filter(Boolean).join(' ');
}

return view.extend({
	load: function() {
		return daemon.plans().catch(function(error) {
			return { plans: [], error: error };
		});
	},

	handleMake: function() {
		var count = +value('lango-count');

		if (!(count >= 1 && count <= MOST && count % 1 == 0))
			return text.failed(_('No vouchers were made'), {
				message: _('So many cannot be made at once.'),
				remedy: _('Write a whole number from 1 to %d.').format(MOST)
			});

		return daemon.make(
			value('lango-plan'), count, value('lango-prefix'), value('lango-form'),
			checked('lango-weak'), checked('lango-self'), count <= SHEET_MOST
		).then(L.bind(this.made, this), function(error) {
			text.failed(_('No vouchers were made'), error);
		});
	},

	made: function(answer) {
		var csv = 'code,plan,batch\n' + answer.vouchers.map(function(voucher) {
			return '%s,%s,%s\n'.format(voucher.code, voucher.plan, voucher.batch);
		}).join('');

		dom.content(document.getElementById('lango-made'), [
			E('p', {}, [ _('The codes are shown this once only: print or save them now.') ]),
			E('p', {}, [
				answer.html ? E('button', {
					'class': 'btn cbi-button cbi-button-action',
					'id': 'lango-print',
					'click': ui.createHandlerFn(this, 'handlePrint', answer.html)
				}, [ _('Print…') ]) : E('em', {}, [ _('Sheets are made of up to %d vouchers at once.').format(SHEET_MOST) ]),
				' ',
				E('a', {
					'class': 'btn cbi-button',
					'id': 'lango-csv',
					'download': 'vouchers.csv',
					'href': 'data:text/csv;charset=utf-8,' + encodeURIComponent(csv)
				}, [ _('Save as CSV') ])
			]),
			text.table('lango-codes', [ _('Code'), _('Plan'), _('Batch') ], answer.vouchers.map(function(voucher) {
				return [ E('code', {}, [ voucher.code ]), voucher.plan, voucher.batch ];
			}), '')
		]);
	},

	/* The sheet is a page of its own, in which nothing can run. */
	handlePrint: function(html) {
		var sheet = E('iframe', {
			'id': 'lango-sheet',
			'title': _('Vouchers to print'),
			'sandbox': 'allow-same-origin allow-modals',
			'style': 'width:100%;height:60vh;border:1px solid #888;background:#fff'
		});
		sheet.srcdoc = html;

		ui.showModal(_('Vouchers to print'), [
			sheet,
			E('div', { 'class': 'right' }, [
				E('button', { 'class': 'btn cbi-button', 'id': 'lango-close', 'click': ui.hideModal }, [ _('Close') ]),
				' ',
				E('button', {
					'class': 'btn cbi-button cbi-button-action',
					'id': 'lango-print-now',
					'click': function() { sheet.contentWindow.print(); }
				}, [ _('Print') ])
			])
		]);
	},

	handleShow: function() {
		return daemon.show(value('lango-code')).then(L.bind(this.found, this), L.bind(this.notFound, this));
	},

	notFound: function(error) {
		dom.content(document.getElementById('lango-found'), [
			E('div', { 'class': 'alert-message warning' }, text.reasons(error))
		]);
	},

	found: function(voucher) {
		var code = value('lango-code');
		var over = voucher.state == 'revoked' || !L.hasViewPermission();

		dom.content(document.getElementById('lango-found'), [
			text.table('lango-voucher', [
				_('State'), _('Plan'), _('Batch'), _('Time left'), _('Data left'), _('Devices')
			], [ [
				text.state(voucher.state),
				voucher.plan,
				voucher.batch || '',
				text.left(voucher.seconds_left, text.duration),
				text.left(voucher.bytes_left, text.size),
				voucher.devices.map(text.tail).join(' ')
			] ], ''),
			E('button', {
				'class': 'btn cbi-button cbi-button-remove',
				'id': 'lango-revoke',
				'disabled': over ? true : null,
				'click': ui.createHandlerFn(this, 'handleRevoke', code)
			}, [ _('Revoke…') ])
		]);
	},

	handleRevoke: function(code) {
		ui.showModal(_('Revoke this voucher?'), [
			E('p', {}, [ _('Who is online by it is cut at once, and it can never be used again.') ]),
			E('div', { 'class': 'right' }, [
				E('button', { 'class': 'btn cbi-button', 'id': 'lango-keep', 'click': ui.hideModal }, [ _('Keep it') ]),
				' ',
				E('button', {
					'class': 'btn cbi-button cbi-button-remove',
					'id': 'lango-revoke-now',
					'click': ui.createHandlerFn(this, 'handleRevokeNow', code)
				}, [ _('Revoke') ])
			])
		]);
	},

	handleRevokeNow: function(code) {
		return daemon.revoke(code).then(L.bind(this.found, this), L.bind(this.notFound, this)).then(ui.hideModal);
	},

	handleList: function() {
		return daemon.list(value('lango-batch')).then(function(answer) {
			var rows = answer.vouchers.slice().reverse().map(function(voucher) {
				return [
					'…' + voucher.hint, voucher.plan, voucher.batch || '', text.state(voucher.state), text.when(voucher.made)
				];
			});

			dom.content(document.getElementById('lango-listed'), [
				text.table('lango-list', [ _('Code ends in'), _('Plan'), _('Batch'), _('State'), _('Made') ], rows,
					_('There are no such vouchers.')),
				answer.left_out ? E('p', {}, [ _('%d older ones are not shown.').format(answer.left_out) ]) : ''
			]);
		}, function(error) {
			text.failed(_('The vouchers could not be listed'), error);
		});
	},

	maker: function(plans) {
		var may = L.hasViewPermission();

		return E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('Make vouchers') ]),
			row('lango-plan', _('Plan'), E('select', { 'id': 'lango-plan', 'class': 'cbi-input-select' }, plans.map(function(plan) {
				return E('option', { 'value': plan.id }, [ titleOf(plan) ]);
			}))),
			row('lango-count', _('How many'), input('lango-count', { 'type': 'number', 'min': 1, 'max': MOST, 'value': 24 }),
				_('Up to %d at once; a page of the sheet holds 24.').format(MOST)),
			row('lango-prefix', _('Prefix'), input('lango-prefix', { 'maxlength': 6 }), _('Letters or digits that every code begins with; may be empty.')),
			row('lango-form', _('Codes of'), E('select', { 'id': 'lango-form', 'class': 'cbi-input-select' }, [
				E('option', { 'value': 'digits' }, [ _('digits') ]),
				E('option', { 'value': 'letters' }, [ _('letters and digits') ])
			])),
			row('lango-weak', _('Short codes'), E('input', { 'id': 'lango-weak', 'type': 'checkbox' }),
				_('Quicker to type, and easier to guess: for plans of little worth.')),
			row('lango-self', _('Codes that prove themselves'), E('input', { 'id': 'lango-self', 'type': 'checkbox' }),
				_('Any gateway with the same key takes them, also without a cloud; the plan needs a number.')),
			E('button', {
				'class': 'btn cbi-button cbi-button-add',
				'id': 'lango-make',
				'disabled': may && plans.length ? null : true,
				'click': ui.createHandlerFn(this, 'handleMake')
			}, [ _('Make vouchers') ]),
			plans.length ? '' : E('p', {}, [ _('There is no plan yet: write one under Configuration, Plans.') ]),
			E('div', { 'id': 'lango-made' })
		]);
	},

	finder: function() {
		return E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('Look up a voucher') ]),
			row('lango-code', _('Code'), input('lango-code', {}), _('As it is printed, with or without the gaps.')),
			E('button', {
				'class': 'btn cbi-button cbi-button-action',
				'id': 'lango-show',
				'click': ui.createHandlerFn(this, 'handleShow')
			}, [ _('Look up') ]),
			E('div', { 'id': 'lango-found' })
		]);
	},

	lister: function() {
		return E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('All vouchers') ]),
			row('lango-batch', _('Batch'), input('lango-batch', {}), _('As it stands on the vouchers; empty: all.')),
			E('button', {
				'class': 'btn cbi-button',
				'id': 'lango-list-now',
				'click': ui.createHandlerFn(this, 'handleList')
			}, [ _('List') ]),
			E('div', { 'id': 'lango-listed' })
		]);
	},

	render: function(answer) {
		return E('div', {}, [
			E('h2', {}, [ _('Vouchers') ]),
			answer.error ? E('div', { 'class': 'alert-message danger' }, text.reasons(answer.error)) : '',
			this.maker(answer.plans),
			this.finder(),
			this.lister()
		]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
