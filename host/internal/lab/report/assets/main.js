// The page, from top to bottom.

setUpTheme();
setUpAnswer();
setUpPick();
for (const part of [setUpRanking, setUpPareto, setUpPrices, setUpHeld, setUpOpen, setUpGaps, setUpKinds, setUpDifferences, setUpBounds, setUpParticulars]) part();
addEventListener('scroll', hideTip, { passive: true });
document.getElementById('copy').addEventListener('click', async e => {
  const button = e.currentTarget, text = document.getElementById('command').textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch { // a page of a file may not have the clipboard
    getSelection().selectAllChildren(document.getElementById('command'));
    button.textContent = 'Selected';
  }
});
document.documentElement.dataset.ready = 'yes';
