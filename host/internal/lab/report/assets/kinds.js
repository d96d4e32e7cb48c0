// The kinds of clients, and who serves which of them best.

function setUpKinds() {
  const names = [...new Set([...list(study.trace.kinds).map(k => k.name), ...policies.flatMap(p => list(p.outcome.kinds).map(k => k.kind))])];
  if (!names.length || !policies.length) return;
  const measures = {
    cost: { name: 'Cost', of: (t, w) => t.cost_ms + (w - ownWorth) * t.premature, write: duration },
    held: { name: 'Held', of: t => t.held_ms, write: duration },
    premature: { name: 'Premature', of: t => share(t.premature, t.gaps), write: percent },
    reuse: { name: 'Reused', of: t => share(t.reused, t.gaps), write: percent, best: Math.max },
  };
  let chosen = 'cost';
  const box = el('div');
  section('kinds', ['By kind of client', 'Kinds'], 'Clients by what they do. In every column the best policy is marked; the paler a cell, the further it is from the best.',
    el('div', { class: 'bar-row' }, el('span', {}), choice('Measure', Object.entries(measures).map(([k, m]) => [k, m.name]), v => { chosen = v; fill(); })), box);
  const about = new Map(list(study.trace.kinds).map(k => [k.name, k]));
  const fill = () => {
    const m = measures[chosen], all = ranked(state.worth).filter(p => state.shown.has(p));
    const tally = (p, kind) => list(p.outcome.kinds).find(k => k.kind === kind)?.tally;
    const head = names.map(n => { const k = about.get(n); return el('span', { class: 'kind' }, n, el('small', {}, k ? `${plural(k.clients, 'client', 'clients')}${k.median_gap_ms ? ', median gap ' + duration(k.median_gap_ms) : ''}` : '')); });
    const values = names.map(n => all.map(p => { const t = tally(p, n); return t && (t.requests || t.held_ms) ? m.of(t, state.worth) : null; }));
    const best = values.map(v => { const some = v.filter(x => x !== null); return some.length ? (m.best || Math.min)(...some) : null; });
    const rows = all.map((p, r) => [el('span', { class: 'who' }, key(p), el('span', { class: 'name' }, title(p))), ...names.map((n, i) => {
      const v = values[i][r];
      if (v === null) return '–';
      const close = m.best ? share(v, best[i] || 1) : v === best[i] ? 1 : share(best[i], v);
      return el('span', { class: v === best[i] ? 'heat first' : 'heat', style: { '--close': (Math.max(0, close) ** 2 * 55).toFixed(0) + '%' } }, m.write(v));
    })]);
    box.replaceChildren(table('Policies by kind of client', ['Policy', ...head], rows));
  };
  hear('shown', fill);
  hear('price', fill);
  fill();
}
