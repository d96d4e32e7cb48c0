// The answer in a sentence, and the price it is given under.

function headline(worth) {
  const best = bestFixed(worth), fixed = 'the best fixed timeout, ' + timeout(best.timeout);
  const p = winner(worth);
  if (!p) return `No policy was replayed; the best fixed timeout is ${timeout(best.timeout)}.`;
  if (!study.trace.gaps) return 'No client came back in this trace: there was nothing to hold a connection for.';
  const base = price(best, worth), own = price(p, worth);
  if (base <= 0) return `${p.name} costs ${duration(own)} of holding; ${fixed}, costs nothing.`;
  const saving = base - optimum(worth);
  let text = `${p.name} costs ${against(own / base)} ${fixed}`;
  if (saving > 0 && own < base) text += `; of the saving that exists it takes ${worth === ownWorth ? '' : 'about '}${percent((base - own) / saving)}`;
  return text + '.';
}

// The slider is logarithmic, from a second to an hour, and as far as the
// study's own price.
const cheapest = Math.min(1e3, Math.max(ownWorth, 1)), dearest = Math.max(36e5, ownWorth);
const toSlider = worth => 1000 * Math.log(Math.max(worth, cheapest) / cheapest) / Math.log(dearest / cheapest);
const toWorth = at => cheapest * (dearest / cheapest) ** (at / 1000);

// round takes a price to two digits, as people say prices.
function round(worth) {
  const unit = [864e5, 36e5, 6e4, 1e3, 1].find(u => worth >= u * 0.995) || 1;
  return Number((worth / unit).toPrecision(2)) * unit;
}

// reigns are the ranges of price in which one policy is the cheapest.
function reigns() {
  const out = [];
  for (let at = 0; at <= 1000; at++) {
    const p = winner(toWorth(at));
    if (!p || p.live) return [];
    if (out.length && out[out.length - 1].policy === p) out[out.length - 1].to = at;
    else out.push({ policy: p, from: at, to: at });
  }
  return out;
}

function tiles(worth) {
  const p = winner(worth), best = bestFixed(worth);
  if (!p) return [];
  const base = price(best, worth), own = price(p, worth), r = p.outcome.interval.ratio;
  const sure = worth === ownWorth && r && r.high > 0 ? `95 %: ${signed(r.low)} to ${signed(r.high)}` : 'no interval at this price';
  const tile = (name, value, more) => el('div', { class: 'tile' }, el('span', { class: 'tile-name' }, name), el('strong', {}, value), el('span', { class: 'tile-more' }, more));
  return [
    tile('Cost to the best fixed', base > 0 ? signed(own / base) : '–', sure),
    tile('Gaps that reconnect', percent(early(p.premature)), `${percent(early(best.premature))} with ${timeout(best.timeout)} for all`),
    tile('Connections held idle, mean', digits(meanIdle(p.held)), `${digits(meanIdle(best.held))} with ${timeout(best.timeout)} for all`),
    tile('Held in vain', percent(share(p.total.short_ms + p.total.never_ms, p.held)), 'of the idle time: too short, or the client was gone'),
  ];
}

const signed = ratio => {
  const text = percent(Math.abs(ratio - 1));
  return (/^0\s/.test(text) ? '±' : ratio < 1 ? '−' : '+') + text;
};

function setUpAnswer() {
  const t = study.trace, range = document.getElementById('worth'), out = document.getElementById('worth-out');
  document.getElementById('subject').textContent =
    `${plural(t.requests, 'request', 'requests')} of ${plural(t.clients, 'client', 'clients')} in ${duration(t.span_ms)}; ` +
    `${plural(gapCount, 'gap', 'gaps')} ended with the client coming back.`;
  const reset = document.getElementById('worth-reset');
  const show = () => {
    const w = state.worth;
    document.getElementById('headline').textContent = headline(w);
    document.getElementById('tiles').replaceChildren(...tiles(w));
    out.textContent = duration(w);
    range.setAttribute('aria-valuetext', duration(w) + ' of holding');
    reset.disabled = w === ownWorth;
  };
  range.value = String(toSlider(ownWorth));
  range.addEventListener('input', () => { state.worth = round(toWorth(Number(range.value))); tell('price'); });
  reset.addEventListener('click', () => { state.worth = ownWorth; tell('price'); });
  hear('price', () => { if (document.activeElement !== range) range.value = String(toSlider(state.worth)); show(); });
  show();
  setUpStrip();
}

function setUpStrip() {
  const all = reigns();
  document.getElementById('strip').append(...all.map(r => el('span', {
    title: r.policy.name, style: { left: r.from / 10 + '%', width: (r.to - r.from + 1) / 10.01 + '%', background: `var(--${hue(r.policy)})` },
  }, r.to - r.from > 90 ? r.policy.name : '')));
  document.getElementById('worth-ticks').append(...[1e3, 1e4, 6e4, 6e5, 36e5].filter(t => t >= cheapest && t <= dearest).map(t =>
    el('span', { style: { left: toSlider(t) / 10 + '%' } }, duration(t))));
  const words = all.map((r, i) => r.policy.name + (all.length === 1 ? ' at every price' :
    i === 0 ? ' up to ' + duration(round(toWorth(r.to))) : i === all.length - 1 ? ' from ' + duration(round(toWorth(r.from))) :
      ` from ${duration(round(toWorth(r.from)))} to ${duration(round(toWorth(r.to)))}`));
  const told = policies.some(p => !p.live) ? ` Policies were told ${duration(ownWorth)}: one that reckons with the price would answer otherwise at another (replay with --worth).` : '';
  document.getElementById('wins').textContent = (words.length ? 'Cheapest: ' + words.join('; ') + '.' : '') + told;
}

// setUpPick makes the buttons that show and hide policies in the charts.
function setUpPick() {
  const box = document.getElementById('pick');
  if (policies.length < 2) return;
  for (const p of policies) {
    const b = el('button', {
      type: 'button', class: 'chip', 'aria-pressed': state.shown.has(p) ? 'true' : 'false', title: title(p),
      onclick: () => {
        if (!state.shown.delete(p)) state.shown.add(p);
        b.setAttribute('aria-pressed', state.shown.has(p) ? 'true' : 'false');
        tell('shown');
      },
      onmouseenter: () => setFocus(p), onmouseleave: () => setFocus(null), onfocus: () => setFocus(p), onblur: () => setFocus(null),
    }, key(p), el('span', {}, title(p)));
    box.append(b);
  }
}
