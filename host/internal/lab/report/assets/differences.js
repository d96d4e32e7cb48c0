// The clients that two policies treat most differently, and why they do.

function setUpDifferences() {
  const all = list(study.differences);
  if (!all.length) return;
  const node = section('differences', ['Where policies differ', 'Differences'], 'The clients that two policies treat most differently. Open one for what was decided; open a decision for what it was asked with.');
  let pair = '';
  for (const d of all) {
    if (d.policies.join('\n') !== pair) {
      pair = d.policies.join('\n');
      node.append(el('h3', { class: 'pair' }, sign(d.policies[0]), d.policies[0], el('span', {}, 'against'), sign(d.policies[1]), d.policies[1]));
    }
    const saving = d.cost_ms[1] - d.cost_ms[0], body = el('div', { class: 'difference' });
    const box = el('details', {
      ontoggle: () => { if (box.open && !body.firstChild) showDifference(d, body); },
    }, el('summary', {}, el('code', {}, d.client), el('span', { class: 'tag' }, d.kind || 'client'), el('span', { class: 'sides' },
      ...d.policies.map((name, i) => el('span', { class: 'side', title: name }, sign(name), duration(d.cost_ms[i]))),
      el('b', {}, saving === 0 ? 'the same cost' : `${d.policies[saving > 0 ? 0 : 1]} saves ${duration(Math.abs(saving))}`))), body);
    node.append(box);
  }
}

const named = name => policies.find(p => p.name === name);
const sign = name => { const p = named(name); return p ? key(p) : null; };

function showDifference(d, body) {
  const sides = [0, 1].map(i => list(list(d.decisions)[i]));
  if (!sides[0].length && !sides[1].length) { body.append(el('p', { class: 'none' }, 'No decision about this client was kept.')); return; }
  const ends = sides.flat().flatMap(c => [c.at_ms - c.idle_ms, c.at_ms]);
  const from = Math.min(...ends), to = Math.max(...ends, from + 1), pad = (to - from) * 0.03 + 1;
  const c = chart('Decisions over time, one line for each policy', 'low', () => ({
    data: [[from - pad, ...sides.flat().map(x => x.at_ms).sort((a, b) => a - b), to + pad], Array(sides.flat().length + 2).fill(null)],
    options: {
      scales: { x: { time: false, range: () => [from - pad, to + pad] }, y: { range: () => [-0.5, 1.8] } },
      axes: [scaleAxis('time since the start', sinceStart, ms => ms === 0 ? '0' : since(ms), 72, 2), { show: false, size: 0 }],
      series: [{}, { points: { show: false } }],
      hooks: { draw: [u => drawSides(u, d, sides, c)] },
    },
  }), u => nearest(u, c.spots || []));
  body.append(c.host, el('div', { class: 'legend' }, el('span', { class: 'legend-item' }, el('i', { class: 'stroke solid idle' }), 'idle'),
    el('span', { class: 'legend-item' }, el('i', { class: 'stroke dotted idle' }), 'held from here on'), '● kept   ✕ closed'),
  el('div', { class: 'two' }, [0, 1].map(i => el('div', {}, el('h3', {}, sign(d.policies[i]), d.policies[i]),
    sides[i].length ? el('div', { class: 'decisions', tabindex: '0', role: 'region', 'aria-label': 'Decisions of ' + d.policies[i] }, sides[i].map(decision)) : el('p', { class: 'none' }, 'It was not asked.')))));
  c.rebuild();
}

function sinceStart(min, max) {
  const step = times.find(t => (max - min) / t < 10) || (max - min) / 5, out = [];
  for (let t = Math.ceil(Math.max(min, 0) / step) * step; t <= max && out.length < 40; t += step) out.push(t);
  return out;
}

function drawSides(u, d, sides, c) {
  const { ctx } = u, ratio = devicePixelRatio;
  c.spots = [];
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  const stroke = (x0, x1, y, wide, dashed) => {
    ctx.lineWidth = wide * ratio;
    ctx.setLineDash(dashed ? [2 * ratio, 3 * ratio] : []);
    ctx.beginPath();
    ctx.moveTo(u.valToPos(x0, 'x', true), y);
    ctx.lineTo(u.valToPos(x1, 'x', true), y);
    ctx.stroke();
  };
  sides.forEach((side, i) => {
    const p = named(d.policies[i]), tone = p ? hue(p) : 'ink-2', y = u.valToPos(1 - i, 'y', true);
    ctx.strokeStyle = ctx.fillStyle = colour(tone);
    for (const x of side) {
      ctx.globalAlpha = 0.55;
      stroke(x.at_ms - x.idle_ms, x.at_ms, y, 3, false);
      if (x.deadline_ms > 0 && x.action !== 'close') stroke(x.at_ms, x.at_ms + x.deadline_ms, y, 2, true);
    }
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
    for (const x of side) {
      const px = u.valToPos(x.at_ms, 'x', true);
      ctx.strokeStyle = x.action === 'close' ? colour('bad') : colour('card');
      ctx.lineWidth = (x.action === 'close' ? 2.5 : 1) * ratio;
      mark(ctx, x.action === 'close' ? 'cross' : 'circle', px, y, 5 * ratio);
      c.spots.push({ at: [px, y], lines: [{ text: d.policies[i], hue: tone }, { text: `at ${since(x.at_ms)}, idle ${duration(x.idle_ms)}` }, { text: answer(x) }, ...(x.outcome ? [{ text: x.outcome }] : [])] });
    }
    ctx.fillStyle = colour('ink-2');
    ctx.font = font(12 * ratio);
    ctx.textAlign = 'left';
    ctx.fillText(d.policies[i].slice(0, 40), u.bbox.left + 4 * ratio, y - 16 * ratio);
  });
  ctx.restore();
}

// since writes a time of the trace: hours, minutes and seconds from its start.
function since(ms) {
  const s = Math.floor(ms / 1000), two = n => String(n).padStart(2, '0'), rest = ms % 1000 ? '.' + String(Math.floor(ms % 1000)).padStart(3, '0').replace(/0+$/, '') : '';
  const days = Math.floor(s / 86400);
  return (days ? days + ' d ' : '') + `${Math.floor(s / 3600) % 24}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}${rest}`;
}

const answer = x => x.action + (x.deadline_ms > 0 && x.action !== 'close' ? ' for ' + duration(x.deadline_ms) : '');

// decision is one that opens to the event it was asked with.
function decision(x) {
  const body = el('div');
  const box = el('details', {
    class: 'decision ' + (x.action === 'close' ? 'closes' : ''),
    ontoggle: () => { if (box.open && !body.firstChild) body.append(asked(x)); },
  }, el('summary', {}, el('span', { class: 'when' }, since(x.at_ms)), el('b', {}, answer(x)), el('span', {}, `${x.event} in ${x.phase}, idle ${duration(x.idle_ms)}`),
    x.outcome ? el('em', {}, x.outcome) : null), body);
  return box;
}

function asked(x) {
  const rows = [['connection', x.conn], ['decided by', [x.source, x.role].filter(Boolean).join(', ')], ['reason', x.reason], ['logged', x.log ? 'yes' : '']]
    .filter(([, v]) => v).map(([k, v]) => [k, String(v)]);
  const lists = new Map(); // name[i]: an array of the event
  for (const [name, value] of Object.entries(x.asked || {}).sort(([a], [b]) => a < b ? -1 : 1)) {
    const array = name.match(/^(.*)\[(\d+)\]$/);
    if (array) lists.set(array[1], [...(lists.get(array[1]) || []), [Number(array[2]), value]]);
    else rows.push([name, unit(name, value)]);
  }
  for (const [name, items] of lists) rows.push([name, items.sort((a, b) => a[0] - b[0]).map(([i, v]) => `${i}: ${v}`).join('   ')]);
  return el('dl', { class: 'asked' }, rows.map(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]).flat());
}

function unit(name, value) {
  if (typeof value !== 'number') return String(value);
  if (name === 'now_ms') return instant(value);
  if (value === 0xffffffff) return 'never';
  if (name.endsWith('_ms')) return `${duration(value)} (${value})`;
  if (name.endsWith('_us')) return `${duration(value / 1000)} (${value})`;
  return String(value);
}
