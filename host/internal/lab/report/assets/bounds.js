// What the numbers are held against.

function setUpBounds() {
  const box = el('div');
  section('bounds', ['Bounds'], 'What no policy can beat, and what a policy has to beat to be worth having.', box);
  const fill = () => {
    const w = state.worth, base = price(bestFixed(w), w);
    const row = (name, what, p, cost, against) => [el('span', { class: 'bound-name' }, name, el('small', {}, what)), duration(cost), against > 0 ? signed(cost / against) : '–',
      p ? digits(meanIdle(p.held)) : '–', p ? percent(early(p.premature)) : '–', p && p.peak ? number(p.peak) : '–'];
    const rows = [], best = bestFixed(w);
    rows.push(row('Knows the future', 'holds exactly what pays', w === ownWorth ? bound.clairvoyant : null, optimum(w), base));
    rows.push(row('Best fixed, ' + timeout(best.timeout), 'chosen in hindsight', best, price(best, w), base));
    const half = timeout(bound.fitted.timeout), own = timeout(bound.second.timeout);
    if (bound.second.cost > 0) rows.push(row('Fixed by the first half, ' + half, `on the second half, against its own best, ${own}; at the price of the replay`, null, bound.fitted.cost, bound.second.cost));
    if (w === ownWorth) {
      if (bound.ski.cost) rows.push(row('Ski rental', 'holds for the worth of a reconnect: at most twice the optimum a gap', bound.ski, bound.ski.cost, base));
      if (bound.random.cost) rows.push(row('Ski rental, random', 'e/(e−1) of the optimum a gap, expected', bound.random, bound.random.cost, base));
    }
    box.replaceChildren(table('Bounds', ['Rule', 'Cost', 'To best fixed', 'Idle, mean', 'Premature', 'Peak idle'], rows));
  };
  hear('price', fill);
  fill();
}
