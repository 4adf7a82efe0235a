'use strict';
'require baseclass';
'require rpc';

/*
 * Stand-in for LuCI's uci.js: what is loaded, and what was changed since, until it is saved. Written for the tests;
 * not LuCI's code.
 */
var get = rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true });
var set = rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true });
var add = rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], expect: { section: '' }, reject: true });
var remove = rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true });

return baseclass.extend({
	__init__: function() {
		this.values = {};
		this.forget();
	},

	forget: function() {
		this.state = { changed: {}, gone: {}, added: {}, removed: [] };
	},

	load: function(config) {
		return get(config).then(function(values) {
			this.values = values;
			this.forget();
		}.bind(this));
	},

	sections: function(config, type) {
		var order = function(a, b) { return a['.index'] - b['.index']; };

		return Object.values(this.values).filter(function(section) { return section['.type'] == type; }).sort(order);
	},

	get: function(config, sid, option) {
		return this.values[sid] && this.values[sid][option];
	},

	set: function(config, sid, option, value) {
		this.values[sid][option] = value;

		if (this.state.added[sid])
			return;

		(this.state.changed[sid] = this.state.changed[sid] || {})[option] = value;
		delete (this.state.gone[sid] || {})[option];
	},

	unset: function(config, sid, option) {
		if (this.values[sid][option] == null)
			return;

		delete this.values[sid][option];
		delete (this.state.changed[sid] || {})[option];

		if (!this.state.added[sid])
			(this.state.gone[sid] = this.state.gone[sid] || {})[option] = true;
	},

	add: function(config, type, name) {
		var sid = name || 'new%d'.format(Object.keys(this.values).length + 1000);
		this.values[sid] = { '.type': type, '.name': sid, '.anonymous': !name, '.index': Object.keys(this.values).length };
		this.state.added[sid] = { type: type, name: name || null };
		return sid;
	},

	remove: function(config, sid) {
		delete this.values[sid];

		if (this.state.added[sid])
			delete this.state.added[sid];
		else
			this.state.removed.push(sid);
	},

	save: function() {
		var state = this.state, values = this.values, tasks = [];

		state.removed.forEach(function(sid) { tasks.push(remove('lango', sid)); });
		Object.keys(state.gone).forEach(function(sid) {
			if (values[sid] && Object.keys(state.gone[sid]).length)
				tasks.push(remove('lango', sid, Object.keys(state.gone[sid])));
		});
		Object.keys(state.added).forEach(function(sid) {
			var options = {};
			Object.keys(values[sid]).filter(function(name) { return name.charAt(0) != '.'; }).forEach(function(name) { options[name] = values[sid][name]; });
			tasks.push(add('lango', state.added[sid].type, state.added[sid].name || undefined, options));
		});
		Object.keys(state.changed).forEach(function(sid) {
			if (values[sid] && Object.keys(state.changed[sid]).length)
				tasks.push(set('lango', sid, state.changed[sid]));
		});

		return Promise.all(tasks).then(function() { return this.load('lango'); }.bind(this));
	}
});
