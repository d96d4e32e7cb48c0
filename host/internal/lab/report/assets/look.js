// Colours and marks. Policies take colours that stay apart for people who see
// fewer of them (after Okabe and Ito), each with a shape of its own.

const shapes = ['circle', 'square', 'diamond', 'triangle', 'cross', 'star'];
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 2]];
const hues = 6; // --p0 to --p5 in page.css

const probe = document.createElement('span');
probe.hidden = true;
document.body.append(probe);

// colour resolves a custom property to what a canvas takes.
function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

// Those shown at first have the first slots, and so colours of their own.
[...state.shown, ...policies].filter((p, i, all) => !p.reference && all.indexOf(p) === i).forEach((p, i) => { p.slot = i; });

const hue = p => p.reference ? 'ink-2' : 'p' + p.slot % hues;
const shape = p => p.reference ? 'circle' : shapes[(p.slot + Math.floor(p.slot / hues)) % shapes.length];
const dash = p => p.reference ? [] : dashes[Math.floor(p.slot / hues) % dashes.length];

function dark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  tell('theme');
}

// mark draws a shape around a place of a canvas.
function mark(ctx, kind, x, y, r) {
  const path = new Path2D();
  const corners = (n, turn, inner) => {
    for (let i = 0; i < n; i++) {
      const a = turn + 2 * Math.PI * i / n, d = inner && i % 2 ? r * inner : r * 1.2;
      path.lineTo(x + d * Math.cos(a), y + d * Math.sin(a));
    }
    path.closePath();
  };
  switch (kind) {
    case 'square': path.rect(x - r * .9, y - r * .9, r * 1.8, r * 1.8); break;
    case 'diamond': corners(4, 0); break;
    case 'triangle': corners(3, -Math.PI / 2); break;
    case 'star': corners(10, -Math.PI / 2, .5); break;
    case 'cross': for (const s of [-1, 1]) { path.moveTo(x - r, y - s * r); path.lineTo(x + r, y + s * r); } break;
    default: path.arc(x, y, r, 0, 2 * Math.PI);
  }
  if (kind === 'cross') ctx.stroke(path);
  else { ctx.fill(path); ctx.stroke(path); }
}

function setUpTheme() {
  const button = document.getElementById('theme');
  const show = () => { button.textContent = dark() ? '☀' : '☾'; };
  button.addEventListener('click', () => setTheme(dark() ? 'light' : 'dark'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => tell('theme'));
  hear('theme', show);
  show();
  let before; // paper is white
  addEventListener('beforeprint', () => { before = document.documentElement.dataset.theme; document.documentElement.dataset.theme = 'light'; for (const act of ears.theme) act(); });
  addEventListener('afterprint', () => setTheme(before));
}
