// Draws the figures in the page's colours, and again when these change from light to dark.
function colours() {
  const axis = { gridcolor: tone("--line"), zerolinecolor: tone("--line"), linecolor: tone("--line"), automargin: true };
  return {
    font: { color: tone("--ink"), family: getComputedStyle(document.body).fontFamily },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    colorway: ["--accent", "--second", "--good", "--bad", "--warn", "--muted"].map(tone),
    xaxis: axis,
    yaxis: axis,
    legend: { bgcolor: "rgba(0,0,0,0)" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: tone("--muted"), activecolor: tone("--accent") },
    hoverlabel: { bgcolor: tone("--card"), font: { color: tone("--ink") } },
  };
}
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// The page's colour for a name such as --accent, a scale between two of them, or what was given.
function colour(trace) {
  for (const drawn of [trace.line, trace.marker]) {
    if (typeof drawn?.color === "string" && drawn.color.startsWith("--")) drawn.color = tone(drawn.color);
    if (drawn?.colorscale?.[0][0] === "-") drawn.colorscale = drawn.colorscale.map((name, at) => [at, tone(name)]);
  }
}
// Only what works without a network: Plotly has a button that uploads a figure.
const config = {
  responsive: true,
  displaylogo: false,
  plotlyServerURL: "",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};
function draw() {
  for (const element of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = JSON.parse(document.getElementById(element.dataset.figure).textContent);
    data.forEach(colour);
    const template = colours();
    if ("onWhite" in element.dataset) Object.assign(template, { paper_bgcolor: "white", font: { ...template.font, color: "black" } });
    layout.template = { layout: template };
    Plotly.react(element, data, layout, config);
  }
}
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
