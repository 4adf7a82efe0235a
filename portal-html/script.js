// Comfort for those who have scripts. Every page works without.
(function () {
var d = document, code = d.getElementById('code'), paste = d.getElementById('paste'), tick = d.getElementById('tick');
var clipboard = navigator.clipboard, since = Date.now();
// Only pages of https may read what was copied.
if (paste && clipboard && clipboard.readText) {
paste.hidden = false;
paste.onclick = function () { clipboard.readText().then(function (text) { code.value = text; code.focus(); }, function () {}); };
}
if (tick) {
var left = +tick.getAttribute('data-left'), every = +tick.getAttribute('data-every');
// Nothing is loaded anew while somebody types.
if (code && every) code.oninput = function () { every = 0; stop(); };
var show = function () {
var gone = (Date.now() - since) / 1000, rest = Math.max(0, Math.round(left - gone));
if (left) tick.textContent = Math.floor(rest / 60) + ':' + ('0' + rest % 60).slice(-2);
if (every && gone >= every && !d.hidden) { since = Date.now(); left = rest; location.reload(); }
};
show();
setInterval(show, 1000);
}
})();
