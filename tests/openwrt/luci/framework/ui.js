'use strict';
'require baseclass';
'require dom';

/*
 * Stand-in for LuCI's ui.js: dialogues, notifications, buttons that wait, and the application of what was saved.
 * Written for the tests; not LuCI's code.
 */
var changes = {
	apply: function() {
		return fetch(L.url('admin/uci/apply_unchecked') + '?sid=' + L.env.sessionid, { method: 'POST' });
	}
};

return baseclass.extend({
	changes: changes,

	instantiateView: function(path) {
		return L.require('view.' + path.replace(/\//g, '.')).catch(function(error) {
			dom.content(document.getElementById('view'), [ E('pre', { 'id': 'broken' }, [ String(error.stack || error) ]) ]);
		});
	},

	showModal: function(title, children) {
		var overlay = document.getElementById('modal_overlay') || document.body.appendChild(E('div', { 'id': 'modal_overlay' }));

		dom.content(overlay, [ E('div', { 'class': 'modal', 'role': 'dialog' }, [ E('h4', {}, [ title ]) ]) ]);
		dom.append(overlay.firstChild, children);
		document.body.classList.add('modal-overlay-active');
		return overlay.firstChild;
	},

	hideModal: function() {
		document.body.classList.remove('modal-overlay-active');
		dom.content(document.getElementById('modal_overlay') || E('div'), []);
	},

	addNotification: function(title, children, kind) {
		var note = E('div', { 'class': 'alert-message ' + (kind || '') }, [ title == null ? '' : E('h4', {}, title) ]);
		dom.append(note, Array.isArray(children) ? children : [ children ]);
		var main = document.getElementById('maincontent');
		main.insertBefore(note, main.firstChild);
		return note;
	},

	createHandlerFn: function(self, work) {
		var given = Array.from(arguments).slice(2);

		return function(event) {
			var button = event.currentTarget;
			button.disabled = true;

			return Promise.resolve((typeof work == 'string' ? self[work] : work).apply(self, given.concat(event)))
				.finally(function() { button.disabled = false; });
		};
	}
});
