'use strict';
'require view';
'require poll';
'require rpc';
'require lango.text as text';

/* What logd keeps of everybody, of which ours are taken out here. */
var LINES = 1000;
/* Of the syslog; what is above the chosen one is not shown. */
var LEVELS = [ [ 3, _('Errors') ], [ 4, _('Warnings') ], [ 6, _('Information') ], [ 7, _('Everything') ] ];

var read = rpc.declare({
	object: 'log',
	method: 'read',
	params: [ 'lines', 'stream', 'oneshot' ],
	expect: { log: [] },
	reject: true
});

var ours = (/^lango(-hold)?(\[\d+\])?: /);

return view.extend({
	level: 6,

	load: function() {
		return this.ask();
	},

	ask: function() {
		return read(LINES, false, true).then(function(lines) {
			return lines.filter(function(line) { return ours.test(line.msg); });
		}).catch(function(error) {
			return { error: error };
		});
	},

	contents: function(lines) {
		return E('pre', { 'id': 'lango-log', 'style': 'white-space:pre-wrap' },
			lines.error ? text.reasons(lines.error) : this.lines(lines));
	},

	lines: function(lines) {
		var level = this.level;
		var shown = lines.filter(function(line) { return (line.priority & 7) <= level; });

		return shown.length ? shown.map(function(line) {
			var severity = line.priority & 7;

			return E('div', { 'class': severity <= 3 ? 'lango-line error' : 'lango-line' }, [
				E('strong', {}, [ severity <= 3 ? '! ' : severity == 4 ? '? ' : '' ]),
				'%s  %s'.format(new Date(line.time).toLocaleString(), line.msg)
			]);
		}) : [ E('em', {}, [ _('There is no such line in the log.') ]) ];
	},

	refresh: function() {
		return this.ask().then(L.bind(function(lines) {
			text.renew(this.shown.firstChild, this.contents(lines));
		}, this));
	},

	render: function(lines) {
		var select = E('select', { 'class': 'cbi-input-select', 'id': 'lango-level' }, LEVELS.map(L.bind(function(level) {
			return E('option', { 'value': level[0], 'selected': level[0] == this.level ? '' : null }, [ level[1] ]);
		}, this)));

		select.addEventListener('change', L.bind(function() {
			this.level = +select.value;
			this.refresh();
		}, this));

		this.shown = E('div', {}, [ this.contents(lines) ]);
		poll.add(L.bind(this.refresh, this), 5);

		return E('div', {}, [
			E('h2', {}, [ _('Log of Lango') ]),
			E('p', {}, [ _('From the memory of the router, where a restart empties it. Errors begin with !, warnings with ?') ]),
			E('div', { 'style': 'margin-bottom:1em' }, [
				E('label', { 'for': 'lango-level' }, [ _('Show:') ]), ' ', select, ' ',
				E('button', {
					'class': 'btn cbi-button',
					'id': 'lango-refresh',
					'click': L.bind(this.refresh, this)
				}, [ _('Refresh') ])
			]),
			this.shown
		]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
