// Notes, every count, and what was assumed.

function setUpParticulars() {
  const t = study.trace, s = study.setting, notes = list(study.notes).slice();
  for (const p of policies) {
    const o = p.outcome, a = o.agreement;
    if (a && a.recorded) notes.push(`${p.name}: of ${number(a.recorded)} recorded decisions ${number(a.same)} are the same${a.first ? '; the first that differs: ' + a.first : ''}`);
    if (o.unknown) notes.push(`${title(p)}: ${number(o.unknown)} times it would have been asked again, but the host had closed; it is taken to have closed then`);
    for (const [name, n] of Object.entries(o.faults || {})) if (n) notes.push(`${p.name} failed: ${name}, ${plural(n, 'time', 'times')}`);
  }
  if (t.lost) notes.push(`the recorder dropped ${number(t.lost)} records`);
  const facts = [['Trace', t.name], ['Origin', t.origin], ['Begins', !clockless ? instant(t.start_ms) : ''], ['Lasts', duration(t.span_ms)],
    ['Records', number(t.records)], ['Clients', number(t.clients)], ['Connections', number(t.connections)], ['Requests', number(t.requests)],
    ['Sample', t.sample > 0 ? percent(t.sample) + ' of clients' : ''], ['Tenants', list(t.tenants).slice(0, 20).join(', ')]];
  const assumed = [['Worth of a reconnect', duration(s.worth_ms)], ['Round trip, where the trace tells none', duration(s.round_trip_ms)], ['Round trips of a reconnect', String(s.round_trips)],
    ['Processor time of a handshake', duration(s.handshake_cpu_us / 1000)], ['Memory of an idle connection', s.hold_bytes ? bytes(s.hold_bytes) : 'as the host reckons, by protocol'],
    ['Limit of open connections', s.limit ? number(s.limit) : 'none'], ['Left out at the beginning', s.warmup_ms ? duration(s.warmup_ms) : 'nothing'], ['Tenant', s.tenant || ''], ['Seed', String(s.seed)]];
  const dl = rows => el('dl', { class: 'facts' }, rows.filter(([, v]) => v).map(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]).flat());
  const node = section('particulars', ['Notes and particulars', 'Notes'], '', notes.length ? el('ul', { class: 'notes' }, notes.map(n => el('li', {}, n))) : null,
    el('div', { class: 'two' }, el('div', {}, el('h3', {}, 'The trace'), dl(facts)), el('div', {}, el('h3', {}, 'Assumed'), dl(assumed))));
  if (policies.length) node.append(el('details', { class: 'all' }, el('summary', {}, 'Every count'), counts()));
}

// counts is everything that was counted, by policy.
function counts() {
  const write = (k, v) => k === 'held_byte_seconds' ? bytes(v / 3600) + '·h' : k.endsWith('_ms') ? duration(v) : k.endsWith('_us') ? duration(v / 1000) : number(v);
  const keys = Object.keys(policies[0].total);
  const rows = keys.map(k => [k.replaceAll('_', ' ').replace(/ (ms|us)$/, ''), ...policies.map(p => write(k, p.total[k]))]);
  rows.push(['fuel an ask', ...policies.map(p => p.total.asks ? number(p.total.fuel / p.total.asks) : '–')]);
  rows.push(['module', ...policies.map(p => p.outcome.module || '–')], ['digest', ...policies.map(p => (p.outcome.digest || '–').slice(0, 12))]);
  return table('Every count, by policy', ['', ...policies.map(title)], rows);
}
