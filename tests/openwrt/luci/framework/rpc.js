'use strict';
'require baseclass';

/*
 * Stand-in for LuCI's rpc.js: ubus over HTTP, as uhttpd-mod-ubus speaks it. Written for the tests; not LuCI's code.
 */
var next = 1;

function failure(options, what) {
	return new Error('RPC call to %s/%s failed with %s'.format(options.object, options.method, what));
}

return baseclass.extend({
	declare: function(options) {
		return function() {
			var given = {};

			(options.params || []).forEach(function(name, at) { given[name] = this[at]; }, arguments);

			return fetch(L.env.ubuspath, {
				method: 'POST',
				headers: { 'Content-Type': 'application/json' },
				body: JSON.stringify({ jsonrpc: '2.0', id: next++, method: 'call', params: [ L.env.sessionid, options.object, options.method, given ] })
			}).then(function(answer) { return answer.json(); }).then(function(message) {
				if (message.error)
					throw failure(options, 'error %d: %s'.format(message.error.code, message.error.message));
				if (options.reject && message.result[0] !== 0)
					throw failure(options, 'ubus code %d'.format(message.result[0]));

				var value = message.result.length > 1 ? message.result[1] : message.result[0];
				var key = Object.keys(options.expect || {})[0];

				if (key != null) {
					value = key == '' ? value : value && value[key];

					if (value == null || Object.prototype.toString.call(value) != Object.prototype.toString.call(options.expect[key]))
						value = options.expect[key];
				}

				return value;
			});
		};
	}
});
