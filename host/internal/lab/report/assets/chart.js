// Charts: uPlot with the page's colours, tips, keys and sizes. Logarithms are
// taken of the data, so that ticks stand where people would put them.

const finest = 0.5; // milliseconds; what is shorter is drawn there
const logOf = ms => Math.log10(Math.max(ms, finest));
const times = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 18e6, 432e5, 864e5, 1728e5, 6048e5, 2592e6, 31536e6, 31536e7];

// thin leaves so many of the ticks that they have room.
function thin(ticks, min, max, room) {
  const within = ticks.filter(t => t >= min - 1e-9 && t <= max + 1e-9);
  const out = [];
  for (const t of within) {
    if (!out.length || (t - out[out.length - 1]) * room >= 1) out.push(t);
  }
  return out;
}

// scaleAxis is an axis with ticks of our own: at are places on the scale, name
// writes them, space is the least distance in pixels.
function scaleAxis(label, at, name, space, side) {
  return {
    label, side, labelSize: 22, labelGap: 2, labelFont: font(12), font: font(12), stroke: () => colour('ink-2'), size: side % 2 ? 58 : 34, gap: 6,
    grid: { show: side !== 1, stroke: () => colour('line'), width: 1 }, ticks: { stroke: () => colour('line'), size: 5, width: 1 },
    splits: (u, i, min, max) => thin(at(min, max), min, max, (side % 2 ? u.bbox.height : u.bbox.width) / devicePixelRatio / Math.max(max - min, 1e-9) / space),
    values: (u, splits) => splits.map(name),
  };
}

const font = size => `${size}px system-ui, sans-serif`;
const logTimes = () => times.map(t => Math.log10(t));
const logTime = v => duration(Math.round(10 ** v));

// even makes ticks by ones, twos and fives.
function even(min, max) {
  const raw = Math.max(max - min, 1e-9) / 8, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(f => f * size).find(s => s >= raw);
  const out = [];
  for (let t = Math.ceil(min / step) * step; t <= max + step * 1e-6 && out.length < 50; t += step) out.push(Math.abs(t) < step * 1e-6 ? 0 : t);
  return out;
}

// chart keeps a plot in an element: make returns its options and data, told
// returns the lines of the tip, or null. Its keys are the arrows and Escape.
function chart(label, height, make, told) {
  const host = el('div', { class: 'plot ' + height, tabindex: '0', role: 'group', 'aria-label': label + '. Arrow keys move along it.' });
  const c = { host, plot: null };
  let at = -1; // where the keys have got to

  const cursor = u => {
    if (u.cursor.left < 0 || u.cursor.idx === null || u.cursor.idx === undefined) return hideTip();
    const said = told(u, u.cursor.idx);
    if (!said) return hideTip();
    const box = u.over.getBoundingClientRect();
    showTip(box.left + u.cursor.left, box.top + Math.max(u.cursor.top, 0), said);
  };
  c.rebuild = () => {
    if (!host.clientWidth) return;
    if (c.plot) c.plot.destroy();
    const { options, data } = make();
    const hooks = Object.assign({}, options.hooks);
    if (told) hooks.setCursor = [cursor];
    c.plot = new uPlot(Object.assign({
      legend: { show: false }, padding: [12, 28, 0, 0], pxAlign: 1,
      focus: { alpha: 0.18 },
    }, options, {
      width: host.clientWidth, height: host.clientHeight, hooks,
      cursor: Object.assign({ drag: { x: false, y: false }, points: { show: false }, y: false }, options.cursor),
    }), data, host);
    c.plot.over.addEventListener('mouseleave', hideTip);
  };
  c.move = to => {
    const u = c.plot, n = u.data[0].length;
    if (!n) return;
    at = (to + n) % n;
    u.setCursor({ left: u.valToPos(u.data[0][at], 'x'), top: u.over.clientHeight / 3 });
  };
  host.addEventListener('keydown', e => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (e.key === 'Escape') { hideTip(); at = -1; }
    if (!step || !c.plot) return;
    e.preventDefault();
    c.move(at < 0 && step < 0 ? -1 : at + step * Math.max(1, Math.round(c.plot.data[0].length / 200)));
  });
  host.addEventListener('blur', hideTip);
  new ResizeObserver(() => {
    if (!c.plot) c.rebuild();
    else if (host.clientWidth && (c.plot.width !== host.clientWidth || c.plot.height !== host.clientHeight)) {
      c.plot.setSize({ width: host.clientWidth, height: host.clientHeight });
    }
  }).observe(host);
  hear('theme', c.rebuild);
  return c;
}

// follow has the series of the policy pointed at stand out. A series names its
// policy in the field policy.
function follow(c) {
  hear('focus', () => {
    if (!c.plot) return;
    const i = state.focus ? c.plot.series.findIndex(s => s.policy === state.focus) : -1;
    if (i > 0) c.plot.setSeries(i, { focus: true });
    else if (c.plot.series.length > 1) c.plot.setSeries(null, { focus: false });
  });
}

// upright draws a vertical line at a place of the x scale, and flag a word on it.
function upright(u, x, hueName) {
  const px = u.valToPos(x, 'x', true);
  if (px < u.bbox.left || px > u.bbox.left + u.bbox.width) return;
  const { ctx } = u, ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour(hueName);
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(px, u.bbox.top);
  ctx.lineTo(px, u.bbox.top + u.bbox.height);
  ctx.stroke();
  ctx.restore();
}

function flag(u, x, text, hueName, row) {
  const px = u.valToPos(x, 'x', true);
  if (px < u.bbox.left || px > u.bbox.left + u.bbox.width) return;
  const { ctx } = u, ratio = devicePixelRatio;
  ctx.save();
  ctx.fillStyle = colour(hueName);
  ctx.font = font(11 * ratio);
  const wide = ctx.measureText(text).width + 10 * ratio, top = u.bbox.top + (2 + 19 * row) * ratio;
  const left = Math.min(px, u.bbox.left + u.bbox.width - wide);
  ctx.fillRect(left, top, wide, 17 * ratio);
  ctx.fillStyle = colour('paper');
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  ctx.fillText(text, left + 5 * ratio, top + 9 * ratio);
  ctx.restore();
}
