// Contrast ratios (WCAG 2.2, 1.4.3 and 1.4.11) of what the page shows, as [ratio, needed, what].
const parse = (text) => {
  const numbers = (text.match(/[\d.]+(e-?\d+)?/g) || []).map(Number);
  if (text.startsWith("color(srgb")) return [numbers[0] * 255, numbers[1] * 255, numbers[2] * 255, numbers[3] ?? 1];
  return [numbers[0], numbers[1], numbers[2], numbers[3] ?? 1];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const background = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const own = parse(getComputedStyle(at).backgroundColor);
    if (own[3] > 0) layers.push(own);
    if (own[3] === 1) break;
  }
  let found = [255, 255, 255, 1];
  for (const layer of layers.reverse()) found = over(layer, found);
  return found;
};
const luminance = (c) => {
  const [r, g, b] = c.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const found = [];
for (const own of document.querySelectorAll("body *")) {
  if (["SCRIPT", "STYLE", "title", "TITLE"].includes(own.tagName)) continue;
  const text = [...own.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim()).map((n) => n.textContent.trim()).join(" ");
  const box = own.getBoundingClientRect();
  if (!box.width || !box.height) continue;
  const style = getComputedStyle(own);
  const svg = own.closest("svg");
  if (text) {
    const behind = background(svg ? svg.parentElement : own);
    const ink = over(parse(svg ? style.fill : style.color), behind);
    found.push([ratio(ink, behind), 4.5, `${own.tagName}.${own.getAttribute("class")}: ${text.slice(0, 40)}`]);
  } else if (svg && own.matches(".line, .dot, .bar, .fill")) {
    const behind = background(svg.parentElement);
    const paint = own.matches(".line, .bar") ? style.stroke : style.fill;
    found.push([ratio(over(parse(paint), behind), behind), 3, `${own.tagName}.${own.getAttribute("class")}`]);
  }
}
return found;
