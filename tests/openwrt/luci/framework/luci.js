/*
 * Stand-in for LuCI's luci.js: classes, modules that name what they require, the DOM, polling. Written for the tests,
 * with the behaviour that Lango's pages rely on; not LuCI's code. As there, E() takes a bare string for HTML and an
 * array for nodes and texts: a page that mixes them up is found out here as well.
 */
'use strict';

(function(window) {
	var env, modules = {};

	function extend(parent, properties) {
		function Made() {
			if (this.__init__)
				this.__init__.apply(this, arguments);
		}

		Made.prototype = Object.assign(Object.create(parent.prototype), properties);
		Made.prototype.constructor = Made;
		Made.extend = function(more) { return extend(Made, more); };
		Made.singleton = function(more) { return new (extend(Made, more))(); };

		return Made;
	}

	function Base() {}

	/* The method of the parent of the class that `name` was found in last. */
	Base.prototype.super = function(name, given) {
		var depth = (this.depths = this.depths || {})[name] || 0;
		var at = Object.getPrototypeOf(this), found = [];

		for (; at; at = Object.getPrototypeOf(at))
			if (Object.prototype.hasOwnProperty.call(at, name))
				found.push(at[name]);

		this.depths[name] = depth + 1;

		try {
			return found[depth + 1] ? found[depth + 1].apply(this, given || []) : undefined;
		}
		finally {
			this.depths[name] = depth;
		}
	};

	var Class = extend(Base, {});

	var dom = {
		elem: function(it) { return it instanceof Node; },

		append: function(node, children) {
			if (Array.isArray(children))
				children.forEach(function(child) {
					if (child != null)
						node.appendChild(dom.elem(child) ? child : document.createTextNode(String(child)));
				});
			else if (dom.elem(children))
				node.appendChild(children);
			else if (children != null)
				node.innerHTML = String(children);

			return node.lastChild;
		},

		content: function(node, children) {
			while (node.firstChild)
				node.removeChild(node.firstChild);

			return dom.append(node, children);
		},

		attr: function(node, attributes) {
			Object.keys(attributes).forEach(function(name) {
				var value = attributes[name];

				if (typeof value == 'function')
					node.addEventListener(name, value);
				else if (value != null)
					node.setAttribute(name, value);
			});
		},

		create: function(tag, attributes, children) {
			if (Array.isArray(tag)) {
				var fragment = document.createDocumentFragment();
				dom.append(fragment, tag);
				return fragment;
			}
			if (Array.isArray(attributes) || typeof attributes == 'string' || dom.elem(attributes)) {
				children = attributes;
				attributes = {};
			}

			var node = document.createElement(tag);
			dom.attr(node, attributes || {});
			dom.append(node, children);
			return node;
		}
	};

	var poll = {
		queue: [],

		add: function(work, seconds) {
			poll.queue.push({ work: work, every: seconds || env.pollinterval, tick: 0 });

			if (poll.queue.length == 1) {
				window.setInterval(poll.step, 1000);
				poll.step();
			}
		},

		step: function() {
			poll.queue.forEach(function(entry) {
				if (entry.tick++ % entry.every == 0 && !entry.busy) {
					entry.busy = true;
					Promise.resolve(entry.work()).finally(function() { entry.busy = false; });
				}
			});
		}
	};

	var View = Class.extend({
		load: function() {},
		render: function() {},

		__init__: function() {
			var place = document.getElementById('view');

			Promise.resolve(this.load()).then(this.render.bind(this)).then(function(nodes) {
				dom.content(place, nodes);
				dom.append(place, this.footer());
			}.bind(this)).catch(function(error) {
				dom.content(place, [ E('div', { 'class': 'alert-message danger', 'id': 'broken' }, [ String(error.stack || error) ]) ]);
			});
		},

		maps: function(method) {
			return Promise.all(Array.from(document.querySelectorAll('#maincontent .cbi-map')).map(function(map) { return map.instance[method](); }));
		},

		handleSave: function() { return this.maps('save'); },
		handleReset: function() { return this.maps('reset'); },

		handleSaveApply: function() {
			return this.handleSave().then(function() { return L.ui.changes.apply(false); });
		},

		footer: function() {
			var buttons = [ [ 'handleSaveApply', 'apply', _('Save & Apply') ], [ 'handleSave', 'save', _('Save') ], [ 'handleReset', 'reset', _('Reset') ] ];

			return E('div', { 'class': 'cbi-page-actions' }, buttons.filter(function(button) { return this[button[0]]; }, this).map(function(button) {
				return E('button', {
					'class': 'btn cbi-button cbi-button-' + button[1],
					'disabled': L.hasViewPermission() ? null : true,
					'click': function() { this[button[0]]().catch(function() {}); }.bind(this)
				}, [ button[2] ]);
			}, this));
		}
	});

	/* A module is a file that returns a class; what it requires stands in strings at its top. */
	function require(name) {
		return modules[name] = modules[name] || fetch('%s/%s.js'.format(env.resource, name.replace(/\./g, '/'))).then(function(answer) {
			if (!answer.ok)
				throw new Error('%s: %d'.format(name, answer.status));

			return answer.text();
		}).then(function(source) {
			var needs = Array.from(source.matchAll(/^'require ([\w.-]+)(?: as (\w+))?';$/gm)).map(function(line) {
				return { name: line[1], as: line[2] || line[1].replace(/[^\w]/g, '_') };
			});

			return Promise.all(needs.map(function(need) { return require(need.name); })).then(function(given) {
				var names = needs.map(function(need) { return need.as; });
				var made = Function.apply(null, [ 'window', 'document', 'L' ].concat(names, source + '\n//# sourceURL=' + name)).apply(null, [ window, document, L ].concat(given));
				var module = new made();

				if (name == 'ui' || name == 'rpc' || name == 'uci')
					L[name] = module;

				return module;
			});
		});
	}

	function LuCI(given) {
		env = this.env = given;
	}

	LuCI.prototype = {
		require: require,
		bind: function(work, self) { return work.bind.apply(work, Array.from(arguments).slice(1)); },
		isObject: function(it) { return it != null && typeof it == 'object'; },
		toArray: function(it) { return it == null || it === '' ? [] : Array.isArray(it) ? it : String(it).trim().split(/\s+/); },
		resolveDefault: function(promise, value) { return Promise.resolve(promise).catch(function() { return value; }); },
		url: function() { return [ env.scriptname ].concat(Array.from(arguments)).join('/'); },
		hasViewPermission: function() { return env.nodespec.satisfied ? !env.nodespec.readonly : null; },
		Class: Class,
		dom: dom
	};

	modules.baseclass = Promise.resolve(Class);
	modules.dom = Promise.resolve(dom);
	modules.poll = Promise.resolve(poll);
	modules.view = Promise.resolve(View);

	window.E = dom.create;
	window.LuCI = LuCI;
})(window);
