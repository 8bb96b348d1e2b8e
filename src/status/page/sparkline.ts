/** A line of an hour, as SVG without any style of its own. */
import { type Html, html, perSecond } from "./html.ts";

/** Draws `values`, oldest first, from 0 to their highest; where one is unknown the line has a gap. */
export function sparkline(name: string, values: readonly (number | undefined)[]): Html {
  const known = values.filter((value) => value !== undefined);
  const top = Math.max(...known, 0);
  const label = known.length === 0
    ? `${name}: nothing known of the last hour yet`
    : `${name}, last hour: at most ${perSecond(top)} a second`;
  const [line, area] = known.length === 0 ? ["", ""] : paths(values, top);
  return html`
    <svg class="spark" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${label}">
      <path class="area" d="${area}" />
      <path class="line" d="${line}" />
    </svg>
  `;
}

function paths(values: readonly (number | undefined)[], top: number): readonly [line: string, area: string] {
  const step = width / Math.max(1, values.length - 1);
  let [line, area, open] = ["", "", false];
  values.forEach((value, i) => {
    const x = round(i * step);
    if (value === undefined) {
      if (open) area += `V${height}Z`;
      open = false;
      return;
    }
    const y = round(height - 1 - (top === 0 ? 0 : value / top * (height - 2)));
    line += open ? `L${x} ${y}` : `M${x} ${y}h.1`;
    area += open ? `L${x} ${y}` : `M${x} ${height}V${y}`;
    open = true;
  });
  return [line, open ? `${area}V${height}Z` : area];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

const width = 120;
const height = 28;
