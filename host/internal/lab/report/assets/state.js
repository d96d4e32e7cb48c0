// What the reader has chosen, and who has to know.

const state = {
  worth: ownWorth,
  focus: null, // the policy pointed at
  shown: new Set(policies.length <= 8 ? policies : ranked(ownWorth).filter((p, i) => i < 6 || p.reference)),
};
const showing = () => policies.filter(p => state.shown.has(p));

const ears = { price: [], shown: [], theme: [], focus: [] };
const hear = (what, act) => ears[what].push(act);
const due = new Set();

// tell lets everybody know, once a frame.
function tell(what) {
  if (due.has(what)) return;
  due.add(what);
  requestAnimationFrame(() => {
    due.delete(what);
    for (const act of ears[what]) act();
  });
}

function setFocus(p) {
  if (state.focus === p) return;
  state.focus = p;
  tell('focus');
}
