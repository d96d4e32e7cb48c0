// Cost over the price: who is better where.

function setUpPrices() {
  if (!policies.length || !bound.curve.length) return;
  const node = section('prices', ['Cost at every price', 'Prices'],
    'Each line is a policy’s cost against the fixed timeout that is best at that price. Click to choose a price.');
  const steps = Array.from({ length: 161 }, (_, i) => toWorth(i * 1000 / 160));
  const best = steps.map(w => price(bestFixed(w), w));
  const c = chart('Cost against the best fixed timeout, by price', 'middle', () => {
    const shown = showing(), rows = shown.map(p => steps.map((w, i) => best[i] > 0 ? price(p, w) / best[i] : null));
    const floor = steps.map((w, i) => best[i] > 0 ? optimum(w) / best[i] : null);
    const all = [...rows.flat(), ...floor, 1].filter(v => v !== null);
    const low = Math.min(...all), high = Math.min(Math.max(...all), 3);
    return {
      data: [steps.map(logOf), steps.map(() => 1), floor, ...rows],
      options: {
        scales: { x: { time: false, range: () => [logOf(cheapest), logOf(dearest)] }, y: { range: () => [Math.max(0, low - 0.05), high + 0.08] } },
        axes: [scaleAxis('what sparing a reconnect is worth', logTimes, logTime, 52, 2), scaleAxis('cost, best fixed = 1', even, v => digits(v), 28, 3)],
        series: [{}, { stroke: colour('ink-2'), width: 2, points: { show: false } }, { stroke: colour('ink-2'), width: 1.5, dash: [2, 4], points: { show: false } },
          ...shown.map(p => ({ policy: p, stroke: colour(hue(p)), width: 2.25, dash: dash(p), points: { show: false } }))],
        hooks: { draw: [u => { upright(u, logOf(state.worth), 'accent'); flag(u, logOf(state.worth), duration(state.worth), 'accent', 0); }] },
      },
    };
  }, (u, i) => [{ text: 'a reconnect worth ' + duration(round(steps[i])) },
    ...showing().map(p => ({ at: price(p, steps[i]), text: `${p.name}: ${digits(share(price(p, steps[i]), best[i]))}`, hue: hue(p) })).sort((a, b) => a.at - b.at).slice(0, 12),
    { text: 'knows the future: ' + digits(share(optimum(steps[i]), best[i])), hue: 'ink-2' }]);
  c.host.addEventListener('click', () => {
    const u = c.plot;
    if (u.cursor.left < 0) return;
    state.worth = round(Math.min(dearest, Math.max(cheapest, 10 ** u.posToVal(u.cursor.left, 'x'))));
    tell('price');
  });
  node.append(c.host, el('div', { class: 'legend' }, line('solid', 'ink-2', 'best fixed'), line('dotted', 'ink-2', 'knows the future')));
  c.rebuild();
  follow(c);
  hear('shown', c.rebuild);
  hear('price', () => { if (c.plot) c.plot.redraw(false); });
}
