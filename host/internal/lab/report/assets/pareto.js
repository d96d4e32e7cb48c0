// Memory against reconnects: every rule is a point, and one below and to the
// left of another is better at every price.

const yOf = part => Math.asinh(100 * part / 0.5);
const yCoarse = [0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].map(v => yOf(v / 100));
const yEvery = step => Array.from({ length: 100 / step + 1 }, (_, i) => yOf(i * step / 100));
const yTicks = (min, max) => [yCoarse, yEvery(5), yEvery(2), yEvery(1)].find(all => all.filter(t => t >= min && t <= max).length > 3) || yEvery(1);
const yName = v => digits(0.5 * Math.sinh(v)) + ' %';
const xOf = held => Math.log10(Math.max(meanIdle(held), 1e-9));

function setUpPareto() {
  const node = section('pareto', ['Memory against reconnects', 'Pareto'],
    'Further left holds less, further down makes fewer clients reconnect. The dashed line joins what costs as much as the best fixed timeout at the price chosen above: below it is cheaper.');
  if (!gapCount || !bound.curve.length && !policies.length) { node.append(el('p', { class: 'none' }, 'No client came back: there is nothing to plot.')); return; }
  const c = chart('Mean of idle connections held against the part of gaps that reconnect', 'tall', () => paretoPlot(c), (u) => nearest(u, c.spots));
  node.append(c.host, el('div', { class: 'legend' },
    line('solid', 'ink-2', 'fixed timeouts'), line('dashed', 'accent', 'costs as much as the best fixed')));
  c.rebuild();
  hear('shown', c.rebuild);
  hear('price', () => { if (c.plot) c.plot.setData(paretoData(c)); });
  hear('focus', () => { if (c.plot) c.plot.redraw(false); });
}

const line = (kind, hueName, text) => el('span', { class: 'legend-item' }, el('i', { class: 'stroke ' + kind, style: { 'border-color': `var(--${hueName})` } }), text);

// paretoRange spans the policies shown and the bounds around them.
function paretoRange() {
  const xs = [...showing(), bound.best, bound.clairvoyant].map(p => xOf(p.held)).filter(x => x > -8);
  if (!xs.length) return [-1, 1];
  const pad = Math.max(0.25, (Math.max(...xs) - Math.min(...xs)) * 0.12);
  return [Math.min(...xs) - pad, Math.max(...xs) + pad];
}

// within keeps the part of a curve that the range shows, with a point more on
// either side.
function within(points, [min, max]) {
  const xs = points.map(p => xOf(p.held));
  return points.filter((p, i) => (xs[i + 1] ?? xs[i]) >= min && (xs[i - 1] ?? xs[i]) <= max);
}

function paretoData(c) {
  const curveOf = points => {
    const seen = new Map(within(points, c.range).map(p => [xOf(p.held), yOf(early(p.premature))]));
    const xs = [...seen.keys()].sort((a, b) => a - b);
    return [xs, xs.map(x => seen.get(x))];
  };
  const total = price(bestFixed(state.worth), state.worth), same = [[], []];
  for (let i = 0; i <= 160; i++) {
    const x = c.range[0] + (c.range[1] - c.range[0]) * i / 160, y = (total - 10 ** x * counted) / (state.worth * gapCount);
    if (state.worth > 0 && y >= 0 && y <= 1.05) { same[0].push(x); same[1].push(yOf(y)); }
  }
  const last = Math.log10(total / counted);
  if (last > c.range[0] && last < c.range[1]) { same[0].push(last); same[1].push(0); }
  const tables = [curveOf(bound.curve), same, [[...c.range], [null, null]]];
  return uPlot.join(tables).slice(0, 3);
}

function paretoPlot(c) {
  c.range = paretoRange();
  const ys = [...showing(), bound.best, bound.clairvoyant].map(p => early(p.premature));
  const top = Math.min(1, 1.3 * Math.max(0.01, ...ys)), low = Math.min(...ys) * 0.7;
  c.spots = [];
  const stroke = (name, width, dashed) => ({ spanGaps: true, stroke: colour(name), width, dash: dashed, points: { show: false } });
  return {
    data: paretoData(c),
    options: {
      scales: { x: { time: false, range: () => c.range }, y: { range: () => [yOf(low), yOf(top)] } },
      axes: [
        scaleAxis('idle connections held, mean', (min, max) => decades(min, max), v => number(10 ** v), 46, 2),
        scaleAxis('gaps that reconnect', yTicks, yName, 26, 3),
      ],
      series: [{}, stroke('ink-2', 2), stroke('accent', 1.5, [9, 5])],
      hooks: { draw: [u => paretoMarks(u, c)] },
    },
  };
}

function decades(min, max) {
  const out = [];
  const fine = max - min < 0.8 ? [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9] : max - min < 2.2 ? [1, 2, 5] : [1];
  for (let d = Math.floor(min); d <= max; d++) for (const f of fine) out.push(d + Math.log10(f));
  return out;
}

// paretoMarks draws what is a single point, with names where there is room.
function paretoMarks(u, c) {
  const { ctx } = u, ratio = devicePixelRatio, boxes = [];
  const at = p => [u.valToPos(xOf(p.held), 'x', true), u.valToPos(yOf(early(p.premature)), 'y', true)];
  const inside = ([x, y]) => x >= u.bbox.left - 1 && x <= u.bbox.left + u.bbox.width + 1 && y >= u.bbox.top - 1 && y <= u.bbox.top + u.bbox.height + 1;
  c.spots = [];
  ctx.save();
  ctx.setLineDash([]);
  for (const p of bound.curve) if (inside(at(p))) c.spots.push({ at: at(p), weak: true, lines: told('fixed ' + timeout(p.timeout), p, 'ink-2') });
  const marks = [
    { p: bound.clairvoyant, name: 'knows the future' + (state.worth === ownWorth ? '' : ', at ' + duration(ownWorth)), shape: 'star', hue: 'ink' },
    ...(showing().some(p => p.reference) ? [] : [{ p: bound.best, name: 'best fixed, ' + timeout(bound.best.timeout), shape: 'circle', hue: 'ink-2', hollow: true }]),
    ...policies.filter(p => !state.shown.has(p)).map(p => ({ p, name: title(p), shape: shape(p), hue: hue(p), hidden: true })),
    ...showing().map(p => ({ p, name: title(p), shape: shape(p), hue: hue(p), interval: p.outcome.interval, hollow: p.reference })),
  ].filter(m => inside(at(m.p)));
  for (const m of marks) {
    const [x, y] = at(m.p), faint = state.focus && m.p !== state.focus && m.p.outcome;
    ctx.strokeStyle = colour(m.hue);
    if (m.interval) { ctx.globalAlpha = m.p === state.focus ? 1 : faint ? 0.1 : 0.3; whiskers(u, m.p, m.interval); }
    ctx.globalAlpha = faint || m.hidden && m.p !== state.focus ? 0.3 : 1;
    ctx.fillStyle = m.hollow ? colour('card') : colour(m.hue);
    ctx.strokeStyle = m.hollow || m.shape === 'cross' ? colour(m.hue) : colour('card');
    ctx.lineWidth = (m.shape === 'cross' ? 3 : 1.5) * ratio;
    mark(ctx, m.shape, x, y, (m.p === state.focus ? 9 : m.hidden ? 4.5 : 6.5) * ratio);
    boxes.push([x - 8 * ratio, y - 8 * ratio, x + 8 * ratio, y + 8 * ratio]);
    c.spots.push({ at: [x, y], policy: m.p.outcome ? m.p : null, lines: told(m.name, m.p, m.hue) });
  }
  ctx.font = font(12 * ratio);
  for (const m of marks) {
    if (m.hidden && m.p !== state.focus) continue;
    ctx.globalAlpha = state.focus && m.p !== state.focus && m.p.outcome ? 0.25 : 1;
    nameMark(u, m, at(m.p), boxes);
  }
  ctx.restore();
}

// whiskers are the 95 % intervals of both sums.
function whiskers(u, p, i) {
  if (!i.held_ms || !i.premature || !(i.held_ms.high > 0)) return;
  const { ctx, bbox: b } = u;
  const x = held => Math.max(b.left, Math.min(b.left + b.width, u.valToPos(xOf(held), 'x', true)));
  const y = premature => Math.max(b.top, Math.min(b.top + b.height, u.valToPos(yOf(early(premature)), 'y', true)));
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x(i.held_ms.low), y(p.premature));
  ctx.lineTo(x(i.held_ms.high), y(p.premature));
  ctx.moveTo(x(p.held), y(i.premature.low));
  ctx.lineTo(x(p.held), y(i.premature.high));
  ctx.stroke();
}

// nameMark writes a name beside its mark, where it covers nothing.
function nameMark(u, m, [x, y], boxes) {
  const { ctx } = u, ratio = devicePixelRatio, far = 11 * ratio, high = 7 * ratio;
  const text = m.name.length > 28 ? m.name.slice(0, 27) + '…' : m.name, wide = ctx.measureText(text).width;
  const places = [[x + far, y - 1.4 * high], [x + far, y + 1.5 * high], [x - far - wide, y - 1.4 * high], [x - far - wide, y + 1.5 * high], [x - wide / 2, y - 2.4 * high], [x - wide / 2, y + 2.4 * high],
    [x + far, y], [x + far, y - 3.4 * high], [x - far - wide, y + 3.4 * high], [x - wide / 2, y - 4.4 * high], [x - wide / 2, y + 4.4 * high]];
  for (const [left, mid] of places) {
    const box = [left - 2, mid - high, left + wide + 2, mid + high];
    const clear = boxes.every(b => box[2] < b[0] || box[0] > b[2] || box[3] < b[1] || box[1] > b[3]);
    if (!clear || box[0] < u.bbox.left || box[2] > u.bbox.left + u.bbox.width || box[1] < u.bbox.top || box[3] > u.bbox.top + u.bbox.height) continue;
    boxes.push(box);
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    ctx.lineWidth = 3 * ratio;
    ctx.strokeStyle = colour('card');
    ctx.strokeText(text, left, mid);
    ctx.fillStyle = colour('ink');
    ctx.fillText(text, left, mid);
    return;
  }
}

function told(name, p, hueName) {
  const lines = [{ text: name, hue: hueName }, { text: `${digits(meanIdle(p.held))} idle connections held` },
    { text: `${percent(early(p.premature))} of gaps reconnect: ${number(p.premature)}` }];
  if (p !== bound.clairvoyant || state.worth === ownWorth) lines.push({ text: 'costs ' + duration(price(p, state.worth)) });
  return lines;
}

// nearest finds the mark under the pointer; marks of policies are easier to hit.
function nearest(u, spots) {
  const x = u.cursor.left * devicePixelRatio + u.bbox.left, y = u.cursor.top * devicePixelRatio + u.bbox.top;
  let best = null, far = 40 * devicePixelRatio;
  for (const s of spots) {
    const d = Math.hypot(s.at[0] - x, s.at[1] - y) + (s.weak ? 12 * devicePixelRatio : 0);
    if (d < far) { best = s; far = d; }
  }
  if (best && 'policy' in best) setFocus(best.policy); else setFocus(null);
  return best && best.lines;
}
