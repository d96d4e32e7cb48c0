// What the held time was good for.

const fates = [
  ['useful_ms', 'useful', 'the client came back on it'], ['short_ms', 'too short', 'it was closed, and the client came back later'],
  ['never_ms', 'never', 'the client was gone'], ['censored_ms', 'not known', 'the trace ends before'],
];

function setUpHeld() {
  if (!policies.length) return;
  const body = el('div', { class: 'fates' });
  let relative = false;
  section('held', ['What the held time was good for', 'Held time'], 'The time that connections were held idle, by what became of it.',
    el('div', { class: 'bar-row' }, el('div', { class: 'legend' }, fates.map(([k, name, what]) =>
      el('span', { class: 'legend-item' }, el('i', { class: 'swatch ' + k }), el('span', {}, el('b', {}, name), ': ' + what)))),
    choice('Scale', [['absolute', 'Time'], ['relative', 'Shares']], v => { relative = v === 'relative'; fill(); })), body);
  const fill = () => {
    const all = ranked(state.worth).filter(p => state.shown.has(p)), most = Math.max(1, ...all.map(p => p.held));
    body.replaceChildren(...all.map(p => {
      const whole = relative ? Math.max(p.held, 1) : most;
      const words = fates.map(([k, name]) => `${name} ${percent(share(p.total[k], p.held))}`).join(', ');
      return el('div', { class: 'fate', onmouseenter: () => setFocus(p), onmouseleave: () => setFocus(null) },
        el('span', { class: 'who' }, key(p), el('span', { class: 'name', title: title(p) }, title(p))),
        el('div', { class: 'stack', role: 'img', 'aria-label': `${title(p)}: ${words}` }, fates.map(([k, name]) => {
          const part = share(p.total[k], p.held), wide = 100 * p.total[k] / whole;
          return el('i', { class: k, title: `${name}: ${duration(p.total[k])}, ${percent(part)}`, style: { width: wide + '%' } }, wide > 9 ? percent(part) : '');
        })), el('span', { class: 'sum' }, duration(p.held), el('small', {}, ' = ' + digits(meanIdle(p.held)) + ' at a time')));
    }));
  };
  hear('shown', fill);
  hear('price', fill);
  fill();
}
