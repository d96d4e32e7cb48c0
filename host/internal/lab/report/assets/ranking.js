// The policies by cost.

function setUpRanking() {
  const note = el('p', { class: 'about' });
  const heads = ['', 'Policy', 'To best fixed', '95 % interval', 'Cost', 'Of the saving', 'Idle, mean', 'Premature', 'Late', 'Delay a request', 'Peak open'];
  const hints = {
    'Cost': 'idle time held, and the worth of every premature close', 'Of the saving': 'between the best fixed timeout and somebody who knows the future',
    'Premature': 'of the gaps: the client came back after the close', 'Late': 'premature by less than a second', 'Delay a request': 'latency of reconnects, spread over all requests',
  };
  const body = el('tbody');
  const box = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Ranking of policies' },
    el('table', { class: 'ranking' }, el('thead', {}, el('tr', {}, heads.map((h, i) => el('th', { scope: 'col', class: i > 1 ? 'num' : null, title: hints[h] }, h)))), body));
  section('ranking', ['Ranking'], 'Cost is the time that connections were held idle, dark, and the worth of the reconnects that closing too early brought, pale.', box, note);

  const rows = new Map(policies.map(p => [p, policyRow(p)]));
  const references = [referenceRow('best fixed in hindsight'), referenceRow('knows the future')];
  const order = () => {
    const w = state.worth, best = bestFixed(w), base = price(best, w), floor = optimum(w);
    const all = ranked(w), most = Math.max(base, ...all.map(p => price(p, w)), 1);
    const played = all.some(p => p.reference) && w === ownWorth; // the best fixed timeout is among the policies
    let place = 0;
    const entries = all.map(p => { const r = rows.get(p); r.fill(w, base, floor, most, p.live || p.reference ? '' : ++place); return { at: p.live ? Infinity : price(p, w), node: r.node }; });
    references[0].fill('best fixed in hindsight, ' + timeout(best.timeout), base, base, floor, most, meanIdle(best.held), early(best.premature), best.peak);
    references[1].fill('knows the future', floor, base, floor, most, w === ownWorth ? meanIdle(bound.clairvoyant.held) : null, w === ownWorth ? early(bound.clairvoyant.premature) : null, null);
    if (played) references[0].node.remove();
    else entries.push({ at: base, node: references[0].node });
    entries.push({ at: floor, node: references[1].node });
    entries.sort((a, b) => a.at - b.at);
    settle(body, entries.map(e => e.node));
    note.textContent = w === ownWorth ? '' : 'Intervals are known at the price of the replay only; what the future would cost is reckoned from the curve of fixed timeouts.';
  };
  hear('price', order);
  order();
}

// settle puts rows into an order, and lets the eye follow them.
function settle(body, nodes) {
  const before = new Map(nodes.map(n => [n, n.isConnected ? n.offsetTop : null]));
  if (nodes.every((n, i) => body.children[i] === n)) return;
  const active = document.activeElement;
  body.append(...nodes);
  if (active && body.contains(active)) active.focus();
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  for (const n of nodes) {
    const by = before.get(n) === null ? 0 : before.get(n) - n.offsetTop;
    if (by) n.animate([{ transform: `translateY(${by}px)` }, { transform: 'none' }], { duration: 220, easing: 'ease-out' });
  }
}

// barOf draws cost as held time and reconnects.
function barOf() {
  const held = el('i', { class: 'bar-held' }), back = el('i', { class: 'bar-back' });
  const node = el('div', { class: 'cost-bar', 'aria-hidden': 'true' }, held, back);
  return { node, fill: (h, all, most) => {
    held.style.width = 100 * Math.max(0, Math.min(h, all)) / most + '%';
    back.style.width = 100 * Math.max(0, all - h) / most + '%';
  } };
}

function policyRow(p) {
  const t = p.total, o = p.outcome, cells = [], bar = barOf();
  const cell = () => { const c = el('td', { class: 'num' }); cells.push(c); return c; };
  const rank = el('td', { class: 'rank' });
  const params = Object.entries(o.params || {}).map(([k, v]) => `${k}=${v}`).join(' ');
  const node = el('tr', { onmouseenter: () => setFocus(p), onmouseleave: () => setFocus(null), class: p.live ? 'live' : p.reference ? 'hindsight' : null }, rank,
    el('th', { scope: 'row', title: [o.module, params, o.digest && 'sha256 ' + o.digest.slice(0, 12)].filter(Boolean).join('\n') },
      el('span', { class: 'who' }, key(p), el('span', { class: 'name' }, title(p))), bar.node), Array.from({ length: 9 }, cell));
  node.style.setProperty('--own', `var(--${hue(p)})`);
  return { node, fill: (w, base, floor, most, place) => {
    const cost = price(p, w), r = o.interval.ratio;
    rank.textContent = place;
    bar.fill(p.held, cost, most);
    const values = [base > 0 ? signed(cost / base) : '–',
      p.reference ? '' : w === ownWorth && r && r.high > 0 ? `${signed(r.low)} … ${signed(r.high)}` : '–', duration(cost),
      base - floor > 0 ? cost < base ? percent((base - cost) / (base - floor)) : p.reference ? '' : 'none' : '–', digits(meanIdle(p.held)), percent(share(p.premature, t.gaps)),
      number(t.late), duration(share(t.latency_ms, t.requests)), number(t.peak_open)];
    values.forEach((v, i) => { cells[i].textContent = v; });
    cells[0].className = 'num ' + (base > 0 ? cost < base * 0.9995 ? 'good' : cost > base * 1.0005 ? 'bad' : '' : '');
  } };
}

function referenceRow(name) {
  const bar = barOf(), label = el('span', { class: 'name' }, name), cells = Array.from({ length: 9 }, () => el('td', { class: 'num' }));
  const node = el('tr', { class: 'reference' }, el('td', { class: 'rank' }), el('th', { scope: 'row' }, el('span', { class: 'who' }, label), bar.node), cells);
  return { node, fill: (text, cost, base, floor, most, idle, premature, peak) => {
    label.textContent = text;
    bar.fill(idle === null ? cost : idle * counted, cost, most);
    const values = [base > 0 ? signed(cost / base) : '–', '', duration(cost), base - floor > 0 && cost < base ? percent((base - cost) / (base - floor)) : '',
      idle === null ? '' : digits(idle), premature === null ? '' : percent(premature), '', '', peak === null ? '' : number(peak)];
    values.forEach((v, i) => { cells[i].textContent = v; });
  } };
}
