"use strict";
// Tables sort by their head's buttons and are filtered by their box; without scripts they stand as written.
const keyOf = (row, at, numbers) => {
  const cell = row.cells[at];
  const value = cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  if (!numbers) return value;
  const number = value === "" ? NaN : Number(value);
  return number;
};
for (const table of document.querySelectorAll("figure.table:not(.matrix) table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = head.querySelector("button");
    const numbers = button.dataset.numbers === "1";
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      // of numbers the greatest first, of names the first
      const sort = before ? (before === "ascending" ? "descending" : "ascending") : numbers ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sort);
      const sign = sort === "ascending" ? 1 : -1;
      const rows = [...body.rows].map((row) => [keyOf(row, at, numbers), row]);
      rows.sort(([a], [b]) => {
        if (!numbers) return sign * a.localeCompare(b, "en", { numeric: true });
        if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
        return sign * (a - b);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
for (const box of document.querySelectorAll(".filter input")) {
  const rows = [...box.closest("figure").querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !words.every((word) => texts[i].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    box.nextElementSibling.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((own) => (own.open = true)));
