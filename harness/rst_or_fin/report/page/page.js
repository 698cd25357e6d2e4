// Sorting and filtering of the table of runs; everything else on the page works without a script.
"use strict";
const table = document.getElementById("runs");
const rows = [...table.tBodies[0].rows];
const words = document.getElementById("filter");
const outcome = document.getElementById("outcome");

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const fits = wanted.every((word) => text.includes(word)) &&
      (!outcome.value || row.dataset.outcome === outcome.value);
    row.hidden = !fits;
    document.getElementById(row.dataset.run).hidden = !fits;
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

words.addEventListener("input", show);
outcome.addEventListener("change", show);
for (const head of table.tHead.rows[0].cells) {
  head.querySelector("button").addEventListener("click", () => sort(head));
}
show(); // a browser may have kept the filter's words over a reload
