// Elements. Text is text: nothing here takes markup from the study.

function el(tag, attrs, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'style') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter(c => c !== null && c !== undefined && c !== false));
  return node;
}

const sections = document.getElementById('sections');

// section adds a card to the page, and a line to its contents.
function section(id, [name, short], about, ...children) {
  const node = el('section', { class: 'card', id, 'aria-labelledby': id + '-title' },
    el('h2', { id: id + '-title' }, name), about && el('p', { class: 'about' }, about), ...children);
  sections.append(node);
  document.getElementById('contents').append(el('a', { href: '#' + id }, short || name));
  return node;
}

// key is the sign of a policy: its colour and shape as the charts have them.
function key(p) {
  const size = 14;
  const canvas = el('canvas', { class: 'key', width: size * 2, height: size * 2, 'aria-hidden': 'true' });
  const paint = () => {
    const ctx = canvas.getContext('2d');
    ctx.clearRect(0, 0, 2 * size, 2 * size);
    ctx.fillStyle = ctx.strokeStyle = colour(hue(p));
    ctx.lineWidth = shape(p) === 'cross' ? 5 : 1;
    mark(ctx, shape(p), size, size, 8);
  };
  hear('theme', paint);
  paint();
  return canvas;
}

// table makes one that scrolls in itself where the page is narrow.
function table(caption, heads, rows) {
  const cell = (tag, content, i) => el(tag, { scope: tag === 'th' ? (i === 0 ? 'row' : 'col') : null, class: i > 0 ? 'num' : null }, content);
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', {}, el('thead', {}, el('tr', {}, heads.map((h, i) => el('th', { scope: 'col', class: i > 0 ? 'num' : null }, h)))),
      el('tbody', {}, rows.map(r => el('tr', {}, r.map((c, i) => cell(i === 0 ? 'th' : 'td', c, i)))))));
}

// choice is a row of buttons of which one is pressed.
function choice(label, options, act) {
  const buttons = options.map(([value, text]) => el('button', {
    type: 'button', 'aria-pressed': value === options[0][0] ? 'true' : 'false',
    onclick: e => {
      for (const b of buttons) b.setAttribute('aria-pressed', b === e.currentTarget ? 'true' : 'false');
      act(value);
    },
  }, text));
  return el('div', { class: 'choice', role: 'group', 'aria-label': label }, buttons);
}

const tip = document.getElementById('tip');

// showTip writes lines beside a place on the screen.
function showTip(x, y, lines) {
  tip.replaceChildren(...lines.map((l, i) => el('div', { class: i === 0 ? 'tip-head' : null },
    l.hue && el('span', { class: 'dot', style: { background: `var(--${l.hue})` } }), l.text)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect(), room = document.documentElement.clientWidth;
  const left = x + 16 + box.width > room ? x - 16 - box.width : x + 16;
  tip.style.left = Math.max(4, Math.min(left, room - box.width - 4)) + 'px';
  tip.style.top = Math.max(4, Math.min(y + 16, innerHeight - box.height - 4)) + 'px';
}

function hideTip() { tip.hidden = true; }
