// Tables with data-sort are sorted by a click on a heading; those with data-filter have a field for words as well.
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const cellValue = (row, at) => row.cells[at]?.dataset.v ?? row.cells[at]?.textContent.trim() ?? "";

const NUMBER = /^([+−-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)(?:\s(?:%|MB|ms|J|×))?$/;
const toNumber = (text) => Number(NUMBER.exec(text)?.[1].replaceAll(",", "").replace("−", "-") ?? NaN);

// Numbers before words, in both directions.
function compare(a, b, direction) {
  const [x, y] = [toNumber(a), toNumber(b)];
  if (!isNaN(x) && !isNaN(y)) return direction * (x - y);
  if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
  return direction * collator.compare(a, b);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headings.forEach((heading, at) => {
    if (!heading.textContent.trim() || "still" in heading.dataset) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const first = heading.classList.contains("n") ? "descending" : "ascending";
      const order = before ? (before === "ascending" ? "descending" : "ascending") : first;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const rows = [...body.rows].filter((row) => !row.classList.contains("sum"));
      const direction = order === "ascending" ? 1 : -1;
      rows.sort((a, b) => compare(cellValue(a, at), cellValue(b, at), direction));
      body.prepend(...rows);
    });
  });
}

function makeFilterable(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("sum"));
  const label = document.createElement("label");
  const field = document.createElement("input");
  const told = document.createElement("output");
  field.type = "search";
  field.autocomplete = "off";
  label.append("Filter ", field);
  const line = document.createElement("p");
  line.className = "filter";
  line.append(label, told);
  (table.closest(".scroll") ?? table).before(line);
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !words.get(row).includes(wanted);
    told.textContent = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
  });
}

for (const table of document.querySelectorAll("table[data-sort]")) makeSortable(table);
for (const table of document.querySelectorAll("table[data-filter]")) makeFilterable(table);
