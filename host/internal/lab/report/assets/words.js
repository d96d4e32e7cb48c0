// Words for numbers; words.go does the same.

// nb keeps a number and its unit on one line.
const nb = '\u00a0';

function digits(x) {
  const size = Math.abs(x);
  const places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const text = x.toFixed(places);
  return places ? text.replace(/\.?0+$/, '') : text;
}

function duration(ms) {
  const size = Math.abs(ms);
  if (size < 1000) return digits(ms) + nb + 'ms';
  if (size < 120e3) return digits(ms / 1e3) + nb + 's';
  if (size < 7200e3) return digits(ms / 60e3) + nb + 'min';
  if (size < 48 * 3600e3) return digits(ms / 3600e3) + nb + 'h';
  if (size < 730 * 86400e3) return digits(ms / 86400e3) + nb + 'd';
  return number(ms / (365.25 * 86400e3)) + nb + 'years';
}

// instant writes a moment, Unix milliseconds, as far as dates go.
const instant = ms => new Date(Math.max(-864e13, Math.min(864e13, ms))).toISOString();

// timeout names a fixed timeout; below zero it is none.
const timeout = ms => ms < 0 || ms === Infinity ? 'never' : duration(ms);

function number(x) {
  for (const [unit, name] of [[1e18, 'E'], [1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M']]) {
    if (Math.abs(x) >= unit * 0.9995) return digits(x / unit) + nb + name;
  }
  if (Math.abs(x) < 999.5) return digits(x);
  return x.toFixed(0).replace(/(\d)(\d{3})$/, '$1,$2');
}

function percent(part) {
  const x = 100 * part;
  return (Math.abs(x) < 9.95 ? x.toFixed(1).replace(/\.0$/, '') : x.toFixed(0)) + nb + '%';
}

function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return digits(n) + nb + units[i];
}

// against says what a ratio of costs means.
function against(ratio) {
  const more = percent(ratio - 1);
  if (/^-?0\s%$/.test(more)) return 'as much as';
  if (ratio >= 2) return digits(ratio) + ' times as much as';
  return ratio > 1 ? more + ' more than' : percent(1 - ratio) + ' less than';
}

function plural(n, one, many) {
  return number(n) + ' ' + (n === 1 ? one : many);
}
