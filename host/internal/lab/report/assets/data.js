// The study, and what it costs under any price.

// These may be of 64 bits, which a number here does not hold: they are kept as
// they are written.
const long = new Set(['client', 'random', 'seed']);
const study = JSON.parse(document.getElementById('study').textContent, (key, value, context) =>
  long.has(key) && typeof value === 'number' && !Number.isSafeInteger(value) && context ? context.source : value);
const list = x => Array.isArray(x) ? x : [];
const share = (x, y) => y > 0 ? x / y : 0;

// counted is the part of the trace that sums are of, in milliseconds.
const counted = Math.max(study.trace.span_ms - study.setting.warmup_ms, 1);

// clockless traces count time from their own beginning: an import of such a log
// says 1 January 2000, day 10957 of Unix.
const clockless = study.trace.start_ms <= 0 || Math.floor(study.trace.start_ms / 864e5) === 10957;
const ownWorth = study.setting.worth_ms;

const policies = list(study.policies).map((o, index) => ({
  index, outcome: o, name: o.name, live: o.source !== '' && o.source !== 'replay', total: o.total,
  held: o.total.held_ms, premature: o.total.premature,
  reference: o.source === 'replay' && o.module === 'fixed' && o.name === 'best fixed', // played by the replay of itself
}));
const title = p => p.live ? `${p.name} (${p.outcome.source === 'recorded' ? 'live' : p.outcome.source})` : p.reference ? 'best fixed, ' + timeout(bound.best.timeout) : p.name;
const gapCount = Math.max(study.trace.gaps, ...policies.map(p => p.total.gaps), 0);

const point = p => ({
  timeout: p.timeout_ms < 0 ? Infinity : p.timeout_ms || 0, held: p.held_ms, premature: p.premature, peak: p.peak_open, cost: p.cost_ms,
});
const bound = {
  curve: list(study.bounds.fixed).map(point).sort((a, b) => a.timeout - b.timeout),
  best: point(study.bounds.best_fixed), clairvoyant: point(study.bounds.clairvoyant),
  ski: point(study.bounds.ski_rental), random: point(study.bounds.ski_random),
  fitted: point(study.bounds.split_fixed.fitted), second: point(study.bounds.split_fixed.best),
};

// price is what a policy or a point costs where a reconnect is worth so much.
function price(p, worth) {
  const known = p.total ? p.total.cost_ms : p.cost;
  return known + (worth - ownWorth) * p.premature;
}

const meanIdle = heldMs => heldMs / counted;
const early = premature => share(premature, gapCount);

function least(points, worth) {
  let best = null;
  for (const p of points) if (!best || price(p, worth) < price(best, worth)) best = p;
  return best;
}

// bestFixed is the cheapest of all fixed timeouts, in hindsight.
const bestFixed = worth => least([bound.best, ...bound.curve], worth);

// returning sums min(gap, limit) over the gaps that ended in a request. Of a
// fixed timeout t, premature(t) of them are longer than t: the sum is the
// integral of that, here by the trapezoids of the curve.
function returning(limit) {
  let sum = 0, t = 0, n = gapCount;
  for (const p of bound.curve) {
    if (p.timeout === Infinity) break;
    if (p.timeout <= t) { n = p.premature; continue; }
    const end = Math.min(p.timeout, limit);
    const m = n + (p.premature - n) * (end - t) / (p.timeout - t);
    if (end > t) sum += (end - t) * (n + m) / 2;
    t = p.timeout; n = p.premature;
    if (t >= limit) return sum;
  }
  return sum + Math.max(limit - t, 0) * n;
}

// optimum is what somebody pays who knows every gap: exact under the study's
// own price, else by the curve.
function optimum(worth) {
  if (worth === ownWorth || !bound.curve.length) return bound.clairvoyant.cost;
  const own = returning(ownWorth);
  return own > 0 ? bound.clairvoyant.cost * returning(worth) / own : returning(worth);
}

// ranked returns the policies by cost; what was only recorded comes last.
const ranked = worth => policies.slice().sort((a, b) => a.live - b.live || price(a, worth) - price(b, worth) || a.index - b.index);

// winner is the cheapest of those that were asked for.
const winner = worth => ranked(worth).find(p => !p.reference);
