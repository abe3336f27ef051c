// Draws the figures in the page's colours: in turn while the browser is idle, again when the colours change.
// Plotly comes packed in the page; a browser that cannot unpack it is told so, and shows the tables instead.
const root = document.documentElement;
const charts = [...document.querySelectorAll("[data-figure]")];

// --accent is a colour of page.css, --accent/0.3 the same with opacity.
function tone(name) {
  const [base, opacity] = name.split("/");
  const colour = getComputedStyle(root).getPropertyValue(base).trim();
  return opacity ? colour + Math.round(255 * opacity).toString(16).padStart(2, "0") : colour;
}
const isTone = (value) => typeof value === "string" && value.startsWith("--");

// Puts the page's colours in place of their names, in everything that is called a colour.
function paint(part) {
  for (const [key, value] of Object.entries(part)) {
    if (/color$/.test(key) && isTone(value)) part[key] = tone(value);
    else if (key === "colorscale" && Array.isArray(value) && isTone(value[0])) part[key] = value.map((name, at) => [at, tone(name)]);
    else if (Array.isArray(value) ? typeof value[0] === "object" : value && typeof value === "object") paint(value ?? {});
  }
  return part;
}

function theme() {
  const axis = { gridcolor: "--line", zerolinecolor: "--line", linecolor: "--line", automargin: true, title: { font: { size: 13, color: "--muted" } } };
  return paint({
    font: { color: "--ink", size: 13, family: getComputedStyle(document.body).fontFamily },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    colorway: ["--accent", "--second", "--good", "--bad", "--warn", "--muted"].map(tone),
    xaxis: axis,
    yaxis: axis,
    legend: { bgcolor: "rgba(0,0,0,0)", orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    margin: { l: 56, r: 16, t: 34, b: 48 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: "--muted", activecolor: "--accent" },
    hoverlabel: { bgcolor: "--card", bordercolor: "--line", font: { color: "--ink" } },
    // A finger on a figure scrolls the page.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  });
}

// Only what works without a network: Plotly has a button that uploads a figure.
const config = {
  responsive: true,
  displaylogo: false,
  plotlyServerURL: "",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

function draw(element, width) {
  const { data, layout } = JSON.parse(document.getElementById(element.dataset.figure).textContent);
  const template = theme();
  if ("onWhite" in element.dataset) Object.assign(template, { paper_bgcolor: "white", font: { ...template.font, color: "black" } });
  Object.assign(paint(layout), { template: { layout: template } }, width ? { width, autosize: false } : {});
  Plotly.react(element, paint(data), layout, config);
}

async function unpack() {
  const bytes = Uint8Array.from(atob(document.getElementById("plotly").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

const idle = () => new Promise((go) => (window.requestIdleCallback ?? setTimeout)(go, { timeout: 300 }));
const all = (width) => charts.forEach((element) => draw(element, width));

async function start() {
  if (!charts.length) return;
  if (!("DecompressionStream" in window)) {
    for (const element of charts) {
      element.textContent = "This browser cannot unpack the figures. Their values are in the tables.";
      element.closest("figure")?.querySelector("details")?.setAttribute("open", "");
    }
    return;
  }
  root.classList.add("drawn");
  await idle();
  await unpack();
  for (const element of charts) {
    draw(element);
    await idle();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all());
  // Paper is white, and as wide as two thirds of a screen.
  window.addEventListener("beforeprint", () => (root.classList.add("paper"), all(640)));
  window.addEventListener("afterprint", () => (root.classList.remove("paper"), all()));
  root.dataset.figures = "done";
}
start();
