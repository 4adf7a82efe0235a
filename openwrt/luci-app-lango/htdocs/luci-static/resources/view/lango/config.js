'use strict';
'require view';
'require form';
'require uci';
'require lango.rules as rules';

var Flag = form.Flag;
var List = form.DynamicList;
var Choice = form.ListValue;
var Text = form.Value;

/*
 * One option: where it stands, what it is called, what it means, and what it may be. `more` are properties of the
 * widget; what is not set there is as the daemon has it.
 */
function add(section, tab, widget, name, title, help, rule, more) {
	var option = tab ? section.taboption(tab, widget, name, title, help) : section.option(widget, name, title, help);
	var also = more && more.also;

	option.rmempty = true;
	option.validate = function(section_id, value) {
		/* Of a list this is the field for one more; what has no value at all is refused by the widget. */
		if (value == null || value === '')
			return this.rmempty || widget == List || _('This cannot be empty.');

		var right = rules.line(value);

		if (right === true && rule)
			right = rule(value);
		if (right === true && also)
			right = also.call(this, section_id, value);

		return right;
	};

	Object.assign(option, more);
	return option;
}

/* What another option of the same section says, or would by default. */
function other(option, section_id, name) {
	var there = option.section.children.filter(function(child) { return child.option == name; })[0];
	var value = option.section.formvalue(section_id, name);

	return value == null || value === '' ? there.placeholder || there.default || '' : value;
}

/* Certificate and key: both or none. Of the one that is missing nothing can be said, for it is empty. */
function beside(name, message) {
	return function(section_id) {
		return other(this, section_id, name) !== '' || message;
	};
}

function instead(names, message) {
	return function(section_id) {
		return names.every(L.bind(function(name) { return other(this, section_id, name) === ''; }, this)) || message;
	};
}

function portOfItsOwn(names) {
	return function(section_id, value) {
		return names.every(L.bind(function(name) { return +other(this, section_id, name) != +value; }, this)) ||
			_('Each of the three ports has to be another one.');
	};
}

/* A section that there can be only one of. */
var Single = form.TypedSection.extend({
	renderSectionAdd: function() {
		return this.cfgsections().length ? E([]) : this.super('renderSectionAdd', arguments);
	}
});

function gateway(map) {
	var s = map.section(form.TypedSection, 'gateway', _('Gateway'), _('This place and its guest network.'));
	s.anonymous = true;
	s.addremove = false;

	s.tab('place', _('Place'));
	s.tab('network', _('Network'));
	s.tab('secure', _('HTTPS'));
	s.tab('storage', _('Storage'));
	s.tab('advanced', _('Advanced'));

	add(s, 'place', Flag, 'enabled', _('Hold guests'), _('On: devices on the guest network are held until they have paid, at every start.'), null,
		{ default: '1', rmempty: false });
	add(s, 'place', Text, 'title', _('Title'), _('Stands over the portal and on printed vouchers.'), rules.text(64), { placeholder: 'Wi-Fi' });
	add(s, 'place', Text, 'site', _('Site'), _('Name of this place towards a cloud.'), rules.site, { placeholder: 'lango' });
	var language = add(s, 'place', Choice, 'language', _('Language'), _('Of the portal, for a phone that asks for none it has.'), null, { default: 'en' });
	language.value('en', _('English'));
	language.value('sw', _('Swahili'));
	language.value('fr', _('French'));
	language.value('ur', _('Urdu'));
	language.value('ar', _('Arabic'));
	language.value('pt', _('Portuguese'));
	add(s, 'place', Text, 'support_phone', _('Support phone'), _('Shown to guests who need help.'), rules.phone);
	add(s, 'place', Text, 'whatsapp', _('WhatsApp'), _('Shown to guests who need help: country code and number, digits only.'), rules.whatsapp);
	add(s, 'place', Text, 'colour', _('Colour'), _('Of buttons and links of the portal.'), rules.colour, { placeholder: '#0b7285' });
	add(s, 'place', Text, 'controller', _('Responsible for data'), _('Named on the privacy page: who answers for what is stored, and how to be reached.'), rules.text(200));
	add(s, 'place', Flag, 'terms_required', _('Terms must be accepted'), _('Guests accept the terms with the button that lets them in; which version, and when, is kept with their session.'), null, { default: '0' });
	add(s, 'place', Text, 'portal_dir', _('Folder of the portal'), _('Your own style, logo, header, footer, terms and privacy page; empty: none.'), rules.path);

	add(s, 'network', List, 'interface', _('Guest networks'), _('Devices of layer 3, such as br-guest; not interfaces of the network configuration.'), rules.device, {
		rmempty: false,
		also: function(section_id, value) {
			return value !== other(this, section_id, 'uplink') || _('This is the uplink; name the device of the guests.');
		}
	});
	add(s, 'network', Text, 'portal_name', _('Name of the portal'), _('Leads to the gateway on the guest network; dnsmasq has to say so.'), rules.name, { placeholder: 'wifi.lango' });
	add(s, 'network', Text, 'portal_port', _('Port of the portal'), _('Plain HTTP: the portal, and what is led to it.'), rules.port,
		{ placeholder: '2080', also: portOfItsOwn([ 'https_port', 'dns_port' ]) });
	add(s, 'network', Text, 'uplink', _('Uplink'), _('The device towards the internet; empty: where the default route leads.'), rules.device, {
		also: function(section_id, value) {
			return L.toArray(other(this, section_id, 'interface')).indexOf(value) < 0 || _('This is a guest network; name the device towards the internet.');
		}
	});
	add(s, 'network', List, 'uplink_probe', _('Probes of the uplink'), _('A server whose answer means that the internet is there, as tcp:ADDRESS:PORT; empty: the cloud, the resolver, and what phones ask.'), rules.probe);
	add(s, 'network', Text, 'dns_port', _('Port for names'), _('Of the responder for guests who are not online yet.'), rules.port,
		{ placeholder: '2053', also: portOfItsOwn([ 'portal_port', 'https_port' ]) });
	add(s, 'network', Text, 'dns_upstream', _('Resolver'), _('Whom the responder asks for names of the garden.'), rules.socketAddress, { placeholder: '127.0.0.1:53' });
	add(s, 'network', Text, 'captive_address', _('Answer for other names'), _('The address that every name outside the garden has before login.'), rules.captiveAddress, { placeholder: '198.18.0.1' });
	add(s, 'network', Text, 'max_clients', _('Devices online'), _('So many at once, at most.'), rules.number(1, 65535), { placeholder: '1000' });

	add(s, 'secure', Text, 'certificate', _('Certificate'), _('Path of the certificate of a public authority for the name of the portal, with its chain, as PEM.'), rules.path,
		{ also: beside('key', _('A certificate needs its key; set both, or neither.')) });
	add(s, 'secure', Text, 'key', _('Key'), _('Path of the key of the certificate, as PEM; the user of the daemon must be able to read it.'), rules.path,
		{ also: beside('certificate', _('A key needs its certificate; set both, or neither.')) });
	add(s, 'secure', Text, 'https_port', _('Port of HTTPS'), _('Used once certificate and key are set.'), rules.port,
		{ placeholder: '2443', also: portOfItsOwn([ 'portal_port', 'dns_port' ]) });

	add(s, 'storage', Text, 'state_dir', _('Folder of the database'), _('On flash, or on a medium that lasts longer; holds the keys as well.'), rules.path, { placeholder: '/etc/lango' });
	add(s, 'storage', Text, 'checkpoint', _('Write usage every'), _('How often what was used is written to flash; 10s to 1h.'), rules.within('10s', '1h'), { placeholder: '5m' });
	add(s, 'storage', Text, 'run_dir', _('Folder of the socket'), _('Where commands and this page reach the daemon. They look for it at the usual place.'), rules.runDir, { placeholder: '/var/run/lango' });

	add(s, 'advanced', Text, 'user', _('User'), _('The daemon gives root up and becomes this user; empty: it stays root.'), rules.user);
	add(s, 'advanced', Text, 'mark', _('Mark'), _('One bit of the connection mark; another one, if mwan3 or pbr use this.'), rules.mark, { placeholder: '0x01000000' });
	add(s, 'advanced', Text, 'site_key_file', _('Key of the site'), _('A file of 32 bytes under which codes are hashed; empty: it is made at the first start.'), rules.path);
	add(s, 'advanced', Flag, 'key_from_cloud', _('Key from the cloud'), _('What is stored of guests opens only with a key that the cloud hands out at each start: without the cloud nobody is let in.'), null, { default: '0' });
	add(s, 'advanced', List, 'issuing_key', _('Issuing keys'), _('Numbers of the keys whose self-proving codes are accepted; new codes use the last.'), rules.number(0, 9), { placeholder: '0' });
	var anomaly = add(s, 'advanced', Choice, 'anomaly', _('Device at two places'), _('What is done about a device that is seen at two places.'), null, { default: 'report' });
	anomaly.value('report', _('report it'));
	anomaly.value('end', _('end its session'));
	add(s, 'advanced', Text, 'new_devices_per_minute', _('New devices a minute'), _('More than that are odd, and are told of.'), rules.number(1, 100000), { placeholder: '120' });
}

function plans(map) {
	var s = map.section(form.TypedSection, 'plan', _('Plans'),
		_('What is sold: time online from the first use on, and what else limits it. What is empty limits nothing. Name a new plan by letters, digits and _.'));
	s.addremove = true;

	s.tab('sold', _('What is sold'));
	s.tab('limits', _('Limits'));

	add(s, 'sold', Text, 'title', _('Title'), _('As guests see it, and on printed vouchers.'), rules.text(64));
	add(s, 'sold', Text, 'price', _('Price'), _('Shown as it is.'), rules.price);
	add(s, 'sold', Text, 'currency', _('Currency'), _('Three capital letters.'), rules.currency);
	add(s, 'sold', Text, 'metered', _('Time online'), _('Counted while the device is online.'), rules.duration);
	add(s, 'sold', Text, 'validity', _('Validity'), _('From the first use on, online or not.'), rules.duration);
	add(s, 'sold', Text, 'data', _('Data'), _('Both directions together.'), rules.bytes,
		{ also: instead([ 'data_up', 'data_down' ], _('Set the data of both directions together, or of each; not both.')) });
	add(s, 'sold', Text, 'data_up', _('Data up'), _('Of this direction alone.'), rules.bytes,
		{ also: instead([ 'data' ], _('Set the data of both directions together, or of each; not both.')) });
	add(s, 'sold', Text, 'data_down', _('Data down'), _('Of this direction alone.'), rules.bytes,
		{ also: instead([ 'data' ], _('Set the data of both directions together, or of each; not both.')) });
	add(s, 'sold', Text, 'activate_by', _('Begin by'), _('The last moment of the first use, as in 2027-01-31T23:59:59Z.'), rules.moment);

	add(s, 'limits', Text, 'down', _('Rate down'), _('Of one device.'), rules.rate);
	add(s, 'limits', Text, 'up', _('Rate up'), _('Of one device.'), rules.rate);
	add(s, 'limits', Text, 'devices', _('Devices'), _('At the same time.'), rules.number(1, 1000), { placeholder: '1' });
	add(s, 'limits', Text, 'bound_devices', _('Devices ever'), _('0: no limit.'), rules.number(0, 65535), {
		placeholder: '0',
		also: function(section_id, value) {
			return +value == 0 || +value >= +other(this, section_id, 'devices') || _('Fewer than at the same time cannot be.');
		}
	});
	add(s, 'limits', Text, 'idle_timeout', _('Idle'), _('Offline after so long without a packet; the time stands still then.'), rules.duration);
	add(s, 'limits', Flag, 'count_while_uplink_down', _('Count while the internet is away'), _('Off: the time stands still while the uplink is down.'), null, { default: '0' });
	add(s, 'limits', Text, 'number', _('Number'), _('0 to 15: of the plan in codes that prove themselves.'), rules.number(0, 15));
}

function trial(map) {
	var s = map.section(Single, 'trial', _('Trial'), _('A plan that every device may have once a day without paying.'));
	s.anonymous = true;
	s.addremove = true;

	add(s, null, Text, 'plan', _('Plan'), _('Name of the plan.'), rules.plan, {
		placeholder: 'trial',
		also: function(section_id, value) {
			return uci.sections('lango', 'cloud').length > 0 ||
				uci.sections('lango', 'plan').some(function(plan) { return plan['.name'] == value; }) ||
				_('There is no such plan.');
		}
	});
}

function garden(map) {
	var s = map.section(form.TypedSection, 'garden', _('Garden'), _('What is reached without paying. Each garden needs a name or an address.'));
	s.anonymous = true;
	s.addremove = true;

	add(s, null, List, 'name', _('Names'), _('wa.me, or *.whatsapp.net for all names below one.'), rules.gardenName);
	add(s, null, List, 'address', _('Addresses'), _('An address, or a network as 203.0.113.0/24.'), rules.network);
	add(s, null, List, 'port', _('Ports'), _('Empty: 80 and 443.'), rules.port, { placeholder: '80 443' });
	add(s, null, Text, 'rate', _('Rate'), _('Of one device that has not paid.'), rules.rate, { placeholder: '256kbit' });
	add(s, null, Text, 'data', _('Data'), _('Of one device that has not paid, in an hour.'), rules.bytes, { placeholder: '10MB' });
}

function devices(map) {
	var s = map.section(form.TypedSection, 'device', _('Devices'), _('Devices that need no voucher, or get nothing at all.'));
	s.anonymous = true;
	s.addremove = true;

	add(s, null, Text, 'mac', _('MAC address'), _('As in 02:00:00:00:00:01.'), rules.mac, {
		rmempty: false,
		also: function(section_id, value) {
			return this.section.cfgsections().every(L.bind(function(another) {
				var listed = this.section.formvalue(another, 'mac') || '';
				return another == section_id || listed.toLowerCase().replace(/-/g, ':') != value.toLowerCase().replace(/-/g, ':');
			}, this)) || _('This device is listed already.');
		}
	});
	var policy = add(s, null, Choice, 'policy', _('Policy'), _('What this device may do.'), null, { default: 'trusted' });
	policy.value('trusted', _('online without a voucher'));
	policy.value('blocked', _('never online'));
}

function cloud(map) {
	var s = map.section(Single, 'cloud', _('Cloud'), _('A cloud that sells as well. After "lango enrol URL CLAIM" nothing need be written here.'));
	s.anonymous = true;
	s.addremove = true;

	add(s, null, Text, 'url', _('Address'), _('https:// and the host.'), rules.url, {
		also: function(section_id, value) {
			return value.indexOf('http://') != 0 || other(this, section_id, 'allow_http') == '1' || _('This is not encrypted; write https://.');
		}
	});
	add(s, null, Text, 'token_file', _('File of the token'), _('Readable to the user of the daemon only.'), rules.path, { placeholder: '/etc/lango/cloud.token' });
	add(s, null, Text, 'ca_file', _('File of authorities'), _('PEM; taken besides the authorities of the system.'), rules.path);
	add(s, null, Text, 'signing_key', _('Signing key'), _('Public key in base64; once set, what is not signed by it is refused.'), rules.publicKey);
	add(s, null, Text, 'poll', _('Ask every'), _('1s to 1d.'), rules.within('1s', '1d'), { placeholder: '60s' });
	add(s, null, Text, 'provisional_plan', _('Provisional plan'), _('What a guest gets while a payment cannot be checked; empty: nothing.'), rules.plan);
	add(s, null, Flag, 'allow_http', _('Without encryption'), _('For tests on this machine only.'), null, { default: '0' });
}

function retention(map) {
	var s = map.section(Single, 'retention', _('Retention'), _('How long what is known of people is kept.'));
	s.anonymous = true;
	s.addremove = true;

	var profile = add(s, null, Choice, 'profile', _('Profile'), _('What holds where nothing else is written.'), null, { default: 'default' });
	profile.value('default', _('sessions 90 days, audit a year'));
	profile.value('90d', _('both 90 days'));
	profile.value('12m', _('both 12 months'));
	add(s, null, Text, 'sessions', _('Sessions'), _('Who was online when.'), rules.duration, { placeholder: '90d' });
	add(s, null, Text, 'audit', _('Audit'), _('What operators did.'), rules.duration, { placeholder: '365d' });
	add(s, null, Text, 'unpaid_devices', _('Devices that did not pay'), _('After they were seen last.'), rules.duration, { placeholder: '10m' });
	add(s, null, Text, 'claims', _('Claims'), _('Payments that a guest has told of and that nobody has confirmed.'), rules.duration, { placeholder: '48h' });
	add(s, null, Text, 'minimum', _('Minimum of law'), _('Nothing is deleted earlier; empty: no such law.'), rules.duration);
}

function roles(map) {
	var s = map.section(form.TypedSection, 'role', _('Roles'),
		_('Who may do what at the command line: viewer, cashier, support or admin, which is the name of the section. Without any, whoever can open the control socket may do all.'));
	s.addremove = true;

	add(s, null, List, 'user', _('Users'), _('Names or numbers of users of this system.'), rules.account);
	add(s, null, List, 'group', _('Groups'), _('Names or numbers of groups of this system.'), rules.account);
}

return view.extend({
	render: function() {
		var map = new form.Map('lango', _('Configuration of Lango'),
			_('What is empty has the value shown in grey. A change is in force once it is applied, and cuts nobody who is online.'));
		map.tabbed = true;

		[ gateway, plans, trial, garden, devices, cloud, retention, roles ].forEach(function(section) { section(map); });

		return map.render();
	}
});
