/** What a page must hold to for everybody to use it, asked inside of the page: contrast, names, order of headings, width. */
import type { AccessibleNode, Page } from "./browser.ts";

/**
 * Texts whose colours are too close (WCAG 2.2, 1.4.3): 4.5 to 1, and 3 to 1 from 24 px on, or 18.66 px in bold. One line each.
 */
export async function poorContrasts(page: Page): Promise<readonly string[]> {
  return await page.evaluate<string[]>(`(${findPoorContrasts})()`);
}

/** Controls, tables, images and regions without a name. */
export function nameless(nodes: readonly AccessibleNode[]): readonly string[] {
  return nodes.filter(({ role, name }) => named.has(role) && name.trim() === "").map(({ role }) => role);
}

/** Levels of the headings, in the order of the page: they begin with 1 and leave none out. */
export function headingLevels(nodes: readonly AccessibleNode[]): readonly number[] {
  return nodes.filter(({ role }) => role === "heading").map(({ properties }) => Number(properties["level"]));
}

/** How many pixels the page is wider than what shows it; 0 is well. */
export async function overflowWidth(page: Page): Promise<number> {
  return await page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}

/** Controls that a finger would miss: lower than 24 px (WCAG 2.2, 2.5.8). */
export async function smallControls(page: Page): Promise<readonly string[]> {
  return await page.evaluate<string[]>(
    `[...document.querySelectorAll("button, select, input:not([type=hidden]), footer a")]
    .filter((one) => one.offsetParent !== null && one.getBoundingClientRect().height < 24).map((one) => one.outerHTML)`,
  );
}

const named = new Set(
  // deno-fmt-ignore
  ["button", "link", "combobox", "searchbox", "textbox", "checkbox", "table", "image", "img", "meter", "progressbar", "log", "columnheader", "navigation"],
);

/** Runs in the page: its text is sent there. */
const findPoorContrasts = `function () {
  const parse = (text) => (/rgba?\\(([^)]+)\\)/.exec(text)?.[1] ?? "0,0,0,0").split(/[,/ ]+/).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const backOf = (element) => {
    for (let one = element; one !== null; one = one.parentElement) {
      const back = parse(getComputedStyle(one).backgroundColor);
      if ((back[3] ?? 1) === 1) return back;
    }
    return parse(matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18,18,18)" : "rgb(255,255,255)");
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!hasText || element.closest("[hidden], noscript, .skip, option") !== null || element.disabled) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(backOf(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + .05) / (b + .05);
    if (ratio < (isLarge ? 3 : 4.5)) poor.push(ratio.toFixed(2) + " " + element.outerHTML.slice(0, 120));
  }
  return poor;
}`;
