// Sorting and filtering of the table of runs, folding, and the picker of replays; everything else on the page
// works without a script.
"use strict";
const table = document.getElementById("runs");
const rows = [...table.tBodies[0].rows];
const words = document.getElementById("filter");
const outcome = document.getElementById("outcome");
const articleOf = (row) => document.getElementById(row.dataset.run)?.closest("article");

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const fits = wanted.every((word) => text.includes(word)) &&
      (!outcome.value || row.dataset.outcome === outcome.value);
    row.hidden = !fits;
    const article = articleOf(row);
    if (article) article.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
}

function sort(head) {
  const descending = head.ariaSort === "ascending";
  for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
  head.ariaSort = descending ? "descending" : "ascending";
  const text = (row) => row.cells[head.cellIndex].textContent.trim();
  rows.sort((a, b) => text(a).localeCompare(text(b), "en", { numeric: true }) * (descending ? -1 : 1));
  table.tBodies[0].append(...rows);
}

function fold(open) {
  for (const run of document.querySelectorAll("details.run")) run.open = open;
}

// A picker shows one replay of a run; of those that are not drawn, the one that went the same way.
function pick(picker) {
  const panels = [...picker.parentElement.querySelectorAll(":scope > details.way")];
  const [choice, number, said] = picker.querySelectorAll("select, input, output");
  const ways = picker.dataset.went.split(" ").map((run) => run.split("*").map(Number));
  const only = (shown, note) => {
    for (const panel of panels) {
      panel.hidden = panel !== shown;
      panel.open = panel === shown;
    }
    choice.value = shown.id;
    said.textContent = note;
  };
  const wayOf = (index) => {
    let last = 0;
    return ways.find(([, count]) => (last += count) > index)?.[0];
  };
  const find = () => {
    const own = panels.find((panel) => panel.dataset.index === number.value);
    const like = own ?? panels[wayOf(Number(number.value))];
    if (number.value === "" || !like) return;
    only(like, own ? "" : `replay ${number.value} went like replay ${like.dataset.index}`);
  };
  picker.hidden = false;
  choice.addEventListener("change", () => only(document.getElementById(choice.value), ""));
  number.addEventListener("input", find);
  only(panels[0], "");
}

words.addEventListener("input", show);
outcome.addEventListener("change", show);
for (const head of table.tHead.rows[0].cells) {
  head.querySelector("button").addEventListener("click", () => sort(head));
}
document.getElementById("fold").addEventListener("click", () => fold(false));
document.getElementById("unfold").addEventListener("click", () => fold(true));
document.querySelectorAll(".picker").forEach(pick);
show(); // a browser may have kept the filter's words over a reload
