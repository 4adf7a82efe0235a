'use strict';
'require baseclass';
'require rpc';

/*
 * The methods of the object `lango` on ubus, which is the plugin of rpcd. An answer is an object; what the daemon
 * refuses becomes an error with its words and its remedy.
 */
function method(name, params) {
	var call = rpc.declare({ object: 'lango', method: name, params: params, reject: true });

	return function() {
		return call.apply(null, arguments).then(function(answer) {
			if (answer && answer.error) {
				/* What is said of an option of the command is as true of the field; how to get help there is not. */
				var refused = new Error(answer.error.message.replace((/^--[a-z-]+: /), ''));
				refused.remedy = answer.error.code == 'usage' ? '' : answer.error.remedy;
				throw refused;
			}

			return answer;
		});
	};
}

return baseclass.extend({
	status: method('status'),
	sessions: method('sessions'),
	doctor: method('doctor'),
	logout: method('logout', [ 'session' ]),
	plans: method('plans'),
	make: method('voucher_new', [ 'plan', 'count', 'prefix', 'form', 'weak', 'self_verifying', 'print' ]),
	show: method('voucher_show', [ 'code' ]),
	revoke: method('voucher_revoke', [ 'code' ]),
	list: method('voucher_list', [ 'batch' ])
});
