// How long clients stay away, and where policies close.

function setUpGaps() {
  const bins = list(study.gaps);
  const node = section('gaps', ['Gaps, and where policies close', 'Gaps'], 'Grey: how long clients stayed away before they came back. Lines: how long connections had been idle when a policy closed them.');
  if (!bins.some(b => b.count > 0)) { node.append(el('p', { class: 'none' }, 'No gap ended with the client coming back.')); return; }
  let field = 'closed';
  const found = findings();
  const shown = () => showing().filter(p => list(p.outcome[field]).some(b => b.count > 0));
  const first = bins.findIndex(b => b.count > 0), last = bins.findLastIndex(b => b.count > 0);
  const c = chart('How many gaps were how long, and how long policies held', 'tall', () => {
    const series = shown(), log = n => n > 0 ? Math.log10(1 + n) : 0;
    const edges = new Set();
    for (const b of [bins, ...series.map(p => p.outcome[field])].flat()) edges.add(b.low_ms);
    const xs = [...edges].sort((a, b) => a - b);
    xs.push(xs[xs.length - 1] * 1.25 + 1);
    const spread = of => { const by = new Map(of.map(b => [b.low_ms, b.count])); return xs.map(x => by.get(x) || 0); };
    const counts = spread(bins), most = Math.max(...counts);
    const lines = series.map(p => { const n = spread(p.outcome[field]), sum = n.reduce((a, b) => a + b, 0); return n.map((v, i) => v || n[i - 1] || n[i + 1] ? v / sum : null); });
    c.xs = xs; c.counts = counts;
    const stepped = uPlot.paths.stepped({ align: 1 });
    const low = Math.max(8, Math.min(bins[first].low_ms, ...found.map(f => f.at))), high = Math.max(bins[last].low_ms * 1.3, ...found.map(f => f.at * 1.2));
    return {
      data: [xs.map(logOf), counts.map(log), ...lines],
      options: {
        scales: { x: { time: false, range: () => [logOf(low), logOf(high)] }, y: { range: () => [0, log(most) * 1.25] }, part: { range: () => [0, Math.max(0.02, ...lines.flat()) * 1.25] } },
        axes: [scaleAxis('how long', logTimes, logTime, 52, 2), scaleAxis('gaps', () => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(d => d === 0 ? 0 : Math.log10(1 + 10 ** (d - 1))), v => number(Math.round(10 ** v - 1)), 24, 3),
          Object.assign(scaleAxis(field === 'closed' ? 'part of a policy’s closes' : 'part of a policy’s answers', (min, max) => even(min, max).filter(t => t <= 1), v => percent(v), 28, 1), { scale: 'part' })],
        series: [{}, { stroke: colour('gap-edge'), fill: colour('gap'), width: 1, paths: stepped, points: { show: false } },
          ...series.map(p => ({ policy: p, scale: 'part', stroke: colour(hue(p)), width: 2, dash: dash(p), paths: stepped, points: { show: false } }))],
        hooks: { draw: [u => pointOut(u, found)] },
      },
    };
  }, (u) => {
    const x = 10 ** u.posToVal(u.cursor.left, 'x'), i = Math.max(0, c.xs.findLastIndex(v => Math.max(v, finest) <= x));
    const rows = shown().map((p, k) => ({ at: u.data[k + 2][i] || 0, text: `${p.name}: ${percent(u.data[k + 2][i] || 0)}`, hue: hue(p) })).filter(r => r.at > 0);
    return [{ text: `${duration(c.xs[i])} to ${duration(c.xs[i + 1] ?? c.xs[i] * 1.25)}` }, { text: plural(c.counts[i], 'gap', 'gaps'), hue: 'gap-edge' }, ...rows.sort((a, b) => b.at - a.at).slice(0, 10)];
  });
  node.append(el('div', { class: 'bar-row' }, el('span', {}), choice('Lines', [['closed', 'Closes'], ['deadlines', 'Answers']], v => { field = v; c.rebuild(); })), c.host);
  if (found.length) node.append(el('ol', { class: 'findings' }, found.map(f => el('li', { class: f.kind }, el('b', {}, f.policy), ' ' + f.text))));
  c.rebuild();
  follow(c);
  hear('shown', c.rebuild);
}

// pointOut draws the findings with their numbers, which share rows where they
// have room.
function pointOut(u, found) {
  const taken = [], order = found.map((f, i) => ({ ...f, sign: String(i + 1) })).sort((a, b) => a.at - b.at);
  for (const f of order) upright(u, logOf(f.at), f.hue);
  for (const f of order) {
    const px = u.valToPos(logOf(f.at), 'x', true);
    let row = 0;
    while (row < 8 && taken[row] > px) row++;
    taken[row] = px + (f.sign.length * 7 + 14) * devicePixelRatio;
    flag(u, logOf(f.at), f.sign, f.hue, row);
  }
}

// findings are heartbeats that a policy closes just under, and deadlines that
// many requests come just after.
function findings() {
  return [
    ...list(study.cliffs).map(f => ({ kind: 'cliff', hue: 'bad', at: f.close_ms, policy: f.policy, text: f.text || `closes at ${duration(f.close_ms)}, under the ${duration(f.beat_ms)} beat of ${plural(f.clients, 'client', 'clients')}, ${plural(f.closes, 'time', 'times')}` })),
    ...list(study.spikes).map(f => ({ kind: 'spike', hue: 'warn', at: f.close_ms, policy: f.policy, text: f.text || `${plural(f.late, 'client comes', 'clients come')} within a second of the close at ${duration(f.close_ms)}; ${duration(f.more_ms)} more would spare ${number(f.spared)} of them, for ${duration(f.held_ms)} more held` })),
  ].slice(0, 20);
}
