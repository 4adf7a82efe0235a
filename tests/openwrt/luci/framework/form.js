'use strict';
'require baseclass';
'require dom';
'require uci';
'require ui';

/*
 * Stand-in for LuCI's form.js: a map of typed sections with tabs, and the widgets that Lango's form has, with the ids,
 * classes and order of events that LuCI gives them. Written for the tests; not LuCI's code.
 */
var Value = baseclass.extend({
	__init__: function(section, option, title, description) {
		Object.assign(this, { section: section, option: option, title: title, description: description, rmempty: true, choices: [] });
	},

	value: function(key, label) { this.choices.push([ key, label ]); },
	cbid: function(sid) { return 'cbid.lango.%s.%s'.format(sid, this.option); },
	widget: function(sid) { return document.getElementById('widget.' + this.cbid(sid)); },
	formvalue: function(sid) { var widget = this.widget(sid); return widget ? widget.value : null; },

	shown: function(sid) {
		var set = uci.get('lango', sid, this.option);
		return set == null ? this.default : set;
	},

	renderWidget: function(sid, value) {
		return E('input', {
			'id': 'widget.' + this.cbid(sid), 'type': 'text', 'class': 'cbi-input-text', 'placeholder': this.placeholder,
			'value': Array.isArray(value) ? value.join(' ') : value
		});
	},

	inputs: function(node) { return node.querySelectorAll('input[type=text]'); },

	/* Looks at what is typed, and marks it. */
	check: function(sid, input) {
		var verdict = this.validate ? this.validate(sid, input.value) : true;
		input.classList.toggle('cbi-input-invalid', verdict !== true);

		if (verdict === true)
			input.removeAttribute('data-tooltip');
		else
			input.setAttribute('data-tooltip', verdict);

		return verdict;
	},

	render: function(sid) {
		var node = E('div', { 'class': 'cbi-value', 'data-name': this.option, 'data-field': this.cbid(sid) }, [
			E('label', { 'class': 'cbi-value-title', 'for': 'widget.' + this.cbid(sid) }, this.title),
			E('div', { 'class': 'cbi-value-field' }, [
				this.renderWidget(sid, this.shown(sid)),
				E('div', { 'class': 'cbi-value-description' }, this.description)
			])
		]);

		this.inputs(node).forEach(function(input) {
			[ 'keyup', 'blur' ].forEach(function(event) { input.addEventListener(event, this.check.bind(this, sid, input)); }, this);
		}, this);

		return node;
	},

	parse: function(sid) {
		var node = document.querySelector('[data-field="%s"]'.format(this.cbid(sid)));
		var wrong = Array.from(this.inputs(node)).map(this.check.bind(this, sid)).filter(function(verdict) { return verdict !== true; });

		if (wrong.length)
			throw new TypeError('Option "%s" contains an invalid input value. %s'.format(this.title, wrong[0]));

		var value = this.formvalue(sid);

		if (value == null || value == '') {
			if (!this.rmempty)
				throw new TypeError('Option "%s" must not be empty.'.format(this.title));

			uci.unset('lango', sid, this.option);
		}
		else if (JSON.stringify(value) != JSON.stringify(uci.get('lango', sid, this.option))) {
			uci.set('lango', sid, this.option, value);
		}
	}
});

var Flag = Value.extend({
	__init__: function() {
		this.super('__init__', arguments);
		this.default = '0';
	},

	renderWidget: function(sid, value) {
		return E('div', { 'class': 'cbi-checkbox' }, [ E('input', {
			'id': 'widget.' + this.cbid(sid), 'type': 'checkbox', 'checked': value == '1' ? '' : null
		}) ]);
	},

	formvalue: function(sid) { var widget = this.widget(sid); return widget ? (widget.checked ? '1' : '0') : null; },

	parse: function(sid) {
		var value = this.formvalue(sid);

		if (value == this.default && this.rmempty)
			uci.unset('lango', sid, this.option);
		else if (value != uci.get('lango', sid, this.option))
			uci.set('lango', sid, this.option, value);
	}
});

var ListValue = Value.extend({
	renderWidget: function(sid, value) {
		return E('select', { 'id': 'widget.' + this.cbid(sid), 'class': 'cbi-input-select' }, this.choices.map(function(choice) {
			return E('option', { 'value': choice[0], 'selected': choice[0] == value ? '' : null }, [ choice[1] ]);
		}));
	}
});

var DynamicList = Value.extend({
	list: function(sid) { return document.getElementById(this.cbid(sid)); },

	formvalue: function(sid) {
		var list = this.list(sid);
		return list ? Array.from(list.querySelectorAll('.item input')).map(function(input) { return input.value; }) : null;
	},

	addItem: function(list, value) {
		var item = E('div', { 'class': 'item' }, [ E('span', {}, [ value ]), E('input', { 'type': 'hidden', 'value': value }) ]);
		item.addEventListener('click', function() { item.remove(); });
		list.insertBefore(item, list.lastElementChild);
	},

	renderWidget: function(sid, value) {
		var input = E('input', { 'id': 'widget.' + this.cbid(sid), 'type': 'text', 'class': 'cbi-input-text', 'placeholder': this.placeholder });
		var list = E('div', { 'id': this.cbid(sid), 'class': 'cbi-dynlist' }, [ E('div', { 'class': 'add-item' }, [ input, E('button', {
			'class': 'btn cbi-button cbi-button-add',
			'click': function() {
				if (input.value && this.check(sid, input) === true) {
					this.addItem(list, input.value);
					input.value = '';
				}
			}.bind(this)
		}, [ '+' ]) ]) ]);

		L.toArray(value).forEach(this.addItem.bind(this, list));
		return list;
	},

	inputs: function(node) { return node.querySelectorAll('.add-item input'); }
});

var TypedSection = baseclass.extend({
	__init__: function(map, type, title, description) {
		Object.assign(this, { map: map, sectiontype: type, title: title, description: description, children: [], tabs: [] });
	},

	tab: function(name, title) { this.tabs.push({ name: name, title: title, children: [] }); },

	option: function(widget, name, title, description) {
		var option = new widget(this, name, title, description);
		this.children.push(option);
		return option;
	},

	taboption: function(tab, widget, name, title, description) {
		var option = this.option(widget, name, title, description);
		this.tabs.filter(function(it) { return it.name == tab; })[0].children.push(option);
		return option;
	},

	cfgsections: function() {
		return uci.sections('lango', this.sectiontype).map(function(section) { return section['.name']; });
	},

	formvalue: function(sid, name) {
		return this.children.filter(function(option) { return option.option == name; })[0].formvalue(sid);
	},

	handleAdd: function(name) {
		this.map.keep();
		uci.add('lango', this.sectiontype, name);
		return this.map.renderContents();
	},

	handleRemove: function(sid) {
		uci.remove('lango', sid);
		this.map.keep();
		return this.map.renderContents();
	},

	renderSectionAdd: function() {
		if (!this.addremove)
			return E([]);

		var name = E('input', { 'type': 'text', 'class': 'cbi-section-create-name' });

		return E('div', { 'class': 'cbi-section-create' }, [ this.anonymous ? '' : name, E('button', {
			'class': 'btn cbi-button cbi-button-add',
			'click': function() { this.handleAdd(this.anonymous ? null : name.value); }.bind(this)
		}, [ _('Add') ]) ]);
	},

	renderOptions: function(sid) {
		if (!this.tabs.length)
			return this.children.map(function(option) { return option.render(sid); });

		return tabbed(this.tabs.map(function(tab) {
			return { name: tab.name, title: tab.title, node: E('div', { 'data-tab': tab.name }, tab.children.map(function(option) { return option.render(sid); })) };
		}));
	},

	render: function() {
		var sids = this.cfgsections();
		var node = E('div', { 'class': 'cbi-section', 'id': 'cbi-lango-' + this.sectiontype, 'data-tab': this.sectiontype }, [
			E('h3', {}, this.title), E('div', { 'class': 'cbi-section-descr' }, this.description)
		]);

		sids.forEach(function(sid) {
			dom.append(node, [
				this.addremove ? E('div', { 'class': 'cbi-section-remove right' }, [ E('button', {
					'class': 'btn cbi-button', 'click': this.handleRemove.bind(this, sid)
				}, [ _('Delete') ]) ]) : '',
				this.anonymous ? '' : E('h3', {}, sid.toUpperCase()),
				E('div', { 'class': 'cbi-section-node', 'data-section-id': sid }, this.renderOptions(sid))
			]);
		}, this);

		dom.append(node, [ sids.length ? '' : E('em', {}, [ _('This section contains no values yet') ]), this.renderSectionAdd() ]);
		return node;
	},

	parse: function() {
		this.cfgsections().forEach(function(sid) { this.children.forEach(function(option) { option.parse(sid); }); }, this);
	}
});

/* A menu of tabs, and what they show. */
function tabbed(tabs) {
	var menu = E('ul', { 'class': 'cbi-tabmenu' }, tabs.map(function(tab, at) {
		var entry = E('li', { 'data-tab': tab.name }, [ E('a', { 'href': '#' }, [ tab.title ]) ]);
		entry.addEventListener('click', function(event) { event.preventDefault(); show(at); });
		return entry;
	}));

	function show(chosen) {
		tabs.forEach(function(tab, at) {
			tab.node.style.display = at == chosen ? '' : 'none';
			menu.children[at].className = at == chosen ? 'cbi-tab' : 'cbi-tab-disabled';
		});
	}

	show(0);
	return [ menu ].concat(tabs.map(function(tab) { return tab.node; }));
}

var Map = baseclass.extend({
	__init__: function(config, title, description) {
		Object.assign(this, { config: config, title: title, description: description, sections: [] });
	},

	section: function(widget, type, title, description) {
		var section = new widget(this, type, title, description);
		this.sections.push(section);
		return section;
	},

	render: function() {
		this.node = E('div', { 'class': 'cbi-map', 'id': 'cbi-lango' });
		this.node.instance = this;
		return uci.load(this.config).then(this.renderContents.bind(this));
	},

	renderContents: function() {
		dom.content(this.node, [ E('h2', {}, this.title), E('div', { 'class': 'cbi-map-descr' }, this.description) ]);
		dom.append(this.node, tabbed(this.sections.map(function(section) {
			return { name: section.sectiontype, title: section.title, node: section.render() };
		})));
		return this.node;
	},

	/* What was typed outlives a section that comes or goes. */
	keep: function() {
		this.sections.forEach(function(section) {
			section.cfgsections().forEach(function(sid) {
				section.children.forEach(function(option) {
					var value = option.formvalue(sid);

					if (value != null && value != '' && value !== option.default)
						uci.set('lango', sid, option.option, value);
				});
			});
		});
	},

	save: function() {
		return Promise.resolve().then(function() {
			this.sections.forEach(function(section) { section.parse(); });
			return uci.save();
		}.bind(this)).catch(function(error) {
			ui.showModal(_('Save error'), [
				E('p', {}, [ E('em', {}, [ error.message ]) ]),
				E('div', { 'class': 'right' }, [ E('button', { 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Dismiss') ]) ])
			]);
			throw error;
		}).then(this.renderContents.bind(this));
	},

	reset: function() { return uci.load(this.config).then(this.renderContents.bind(this)); }
});

return baseclass.extend({
	Map: Map, TypedSection: TypedSection, Value: Value, Flag: Flag, ListValue: ListValue, DynamicList: DynamicList
});
