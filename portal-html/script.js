// Comfort for those who have scripts. Every page works without.
(function () {
var d = document, code = d.getElementById('code'), paste = d.getElementById('paste'), tick = d.getElementById('tick');
var clipboard = navigator.clipboard, since = Date.now();
// Only pages of https may read what was copied.
if (paste && clipboard && clipboard.readText) {
paste.hidden = false;
paste.onclick = function () { clipboard.readText().then(function (text) { code.value = text; code.focus(); }, function () {}); };
}
// The page loads itself anew only where somebody sees it, and never while somebody types or has typed.
var every = +d.body.getAttribute('data-every'), onto = d.body.getAttribute('data-onto'), left = tick ? +tick.getAttribute('data-left') : 0;
var typing = function () {
return [].some.call(d.querySelectorAll('textarea,input:not([type=hidden])'), function (field) { return field.value || field === d.activeElement; });
};
var show = function () {
var gone = (Date.now() - since) / 1000, rest = Math.max(0, Math.round(left - gone));
if (left) tick.textContent = Math.floor(rest / 60) + ':' + ('0' + rest % 60).slice(-2);
if (every && gone >= every && !d.hidden && !typing()) { every = 0; if (onto) location.replace(onto); else location.reload(); }
};
show();
setInterval(show, 1000);
})();
