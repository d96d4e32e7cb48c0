// Open connections over time.

function setUpOpen() {
  const some = policies.filter(p => list(p.outcome.open).length > 1);
  if (!some.length) return;
  const node = section('open', ['Open connections', 'Open'], 'Memory is bought for the peak: each point is the most in its part of the time. Drag to look closer, double-click to go back.');
  let what = 'open';
  const start = clockless ? 0 : study.trace.start_ms;
  const clock = ms => start ? instant(start + ms).slice(0, 16).replace('T', ' ') + ' UTC' : 'after ' + duration(ms);
  const shown = () => some.filter(p => state.shown.has(p));
  const c = chart('Open connections over time, by policy', 'middle', () => {
    const series = shown();
    const tables = series.map(p => [p.outcome.open.map(s => s.at_ms), p.outcome.open.map(s => s[what])]);
    const data = tables.length ? uPlot.join(tables) : [[0, counted], [null, null]];
    return {
      data, options: {
        cursor: { drag: { x: true, y: false } },
        scales: { x: { time: false }, y: { range: (u, min, max) => [0, Math.max(1, (max || 1) * 1.08)] } },
        axes: [scaleAxis(start ? 'time, UTC' : 'time since the start', moments, momentName, 62, 2),
          scaleAxis(what === 'open' ? 'open connections' : 'idle connections', even, v => number(v), 26, 3)],
        series: [{}, ...(series.length ? series.map(p => ({ policy: p, spanGaps: true, stroke: colour(hue(p)), width: 1.75, dash: dash(p), points: { show: false } })) : [{}])],
      },
    };
  }, (u, i) => [{ text: clock(u.data[0][i]) }, ...shown().map((p, k) => ({ at: u.data[k + 1][i] ?? -1, text: `${p.name}: ${number(u.data[k + 1][i] ?? 0)}`, hue: hue(p) }))
    .sort((a, b) => b.at - a.at).slice(0, 12)]);

  // moments are ticks at round times of the clock.
  function moments(min, max) {
    const step = [1e3, 5e3, 15e3, 6e4, 3e5, 9e5, 36e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 2592e6, 7776e6, 31536e6, 31536e7].find(s => (max - min) / s < 11) || (max - min) / 5;
    const out = [], first = Math.ceil((start + min) / step) * step - start;
    for (let t = first; t <= max && out.length < 40; t += step) out.push(t);
    return out;
  }
  function momentName(ms) {
    if (!start) return ms === 0 ? '0' : duration(ms);
    const text = instant(start + ms);
    if (study.trace.span_ms < 36e5) return text.slice(11, 19);
    return text.slice(11, 16) === '00:00' ? text.slice(5, 10) : text.slice(11, 16);
  }
  node.append(el('div', { class: 'bar-row' }, el('span', {}), choice('What is counted', [['open', 'Open'], ['idle', 'Idle of these']], v => { what = v; c.rebuild(); })), c.host);
  c.rebuild();
  follow(c);
  hear('shown', c.rebuild);
}
