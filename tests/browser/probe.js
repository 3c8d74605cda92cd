// What a page is like to somebody who looks at it. The body of a function; its result is plain data for faults.py.

for (const details of document.querySelectorAll("details")) details.open = true;

const box = (found) => {
  const { left, right, top, bottom, width, height } = found.getBoundingClientRect();
  return { left, right, top, bottom, width, height };
};

// ---------------------------------------------------------------- colours (WCAG 2.2, relative luminance and contrast)

const colour = (text) => {
  const found = text.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
  if (!found) throw new Error(`a colour that is not rgb: ${text}`);
  return [+found[1], +found[2], +found[3], found[4] === undefined ? 1 : +found[4]];
};
const over = (front, back) => [0, 1, 2].map((at) => front[at] * front[3] + back[at] * (1 - front[3])).concat(1);
const behind = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement)
    layers.push(colour(getComputedStyle(at).backgroundColor));
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  return layers.reduceRight((back, front) => over(front, back), canvas);
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.slice(0, 3).map((each) => {
    const part = each / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (front, back) => {
  const [light, dark] = [luminance(over(front, back)), luminance(back)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};

// ---------------------------------------------------------------- texts

const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  const element = node.parentElement;
  if (!node.data.trim() || element.closest("style, title") || !element.checkVisibility()) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const place = box(range);
  if (!place.width) continue;
  const style = getComputedStyle(element);
  const drawn = element.closest("svg");
  const scale = drawn ? element.getScreenCTM().a : 1;
  const home = element.closest("section, aside, header, .figures > div") ?? document.body;
  texts.push({
    text: node.data.trim().slice(0, 80),
    length: node.data.trim().length,
    lines: new Set([...range.getClientRects()].map((each) => Math.round(each.top))).size,
    size: parseFloat(style.fontSize) * scale,
    contrast: contrast(colour(drawn ? style.fill : style.color), behind(element)),
    place,
    home: box(home),
    scrolls: element.closest(".scroll") !== null,
    pre: element.closest("pre") !== null,
  });
}

// ---------------------------------------------------------------- charts, legends, tables

const charts = [...document.querySelectorAll("svg")].map((svg) => ({
  label: svg.getAttribute("aria-label"),
  role: svg.getAttribute("role"),
  place: box(svg),
  home: box(svg.closest("section")),
  marks: [...svg.querySelectorAll("rect")].map((rect) => ({
    place: box(rect),
    contrast: contrast(colour(getComputedStyle(rect).fill), behind(svg)),
  })),
  texts: [...svg.querySelectorAll("text")]
    .filter((text) => text.checkVisibility())
    .map((text) => ({ text: text.textContent, place: box(text) })),
}));

const keys = [...document.querySelectorAll(".legend i")].map((each) => ({
  place: box(each),
  contrast: contrast(colour(getComputedStyle(each).backgroundColor), behind(each.parentElement)),
}));

const tables = [...document.querySelectorAll("table")].map((table) => {
  const scroller = table.closest(".scroll");
  const row = table.querySelector("tbody tr");
  const [first, last] = [row.firstElementChild, row.lastElementChild];
  first.scrollIntoView({ block: "center", inline: "nearest" });
  const before = box(first);
  scroller.scrollLeft = scroller.scrollWidth;
  const moved = { first: box(first), last: box(last), scroller: box(scroller) };
  const seen = document.elementFromPoint(moved.first.left + 4, moved.first.top + moved.first.height / 2);
  const found = {
    columns: table.querySelectorAll("thead th").length,
    rows: table.querySelectorAll("tbody tr").length,
    width: table.getBoundingClientRect().width,
    room: scroller.clientWidth,
    named: first.contains(seen) && Math.abs(moved.first.left - before.left) < 1,
    ends:
      ["auto", "scroll"].includes(getComputedStyle(scroller).overflowX) &&
      moved.last.right <= moved.scroller.right + 1,
  };
  scroller.scrollLeft = 0;
  return found;
});
scrollTo(0, 0);

return {
  title: document.title,
  language: document.documentElement.lang,
  mains: document.querySelectorAll("main").length,
  headings: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((each) => [
    +each.tagName[1],
    each.textContent,
  ]),
  width: document.documentElement.clientWidth,
  needed: document.documentElement.scrollWidth,
  ground: luminance(behind(document.body)),
  texts,
  charts,
  keys,
  tables,
};
