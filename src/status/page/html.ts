/** HTML in which every value is escaped (`hono/html`), and the few words in which figures are shown. */
import { html as honoHtml } from "hono/html";
import { formatDuration } from "../../formats/duration.ts";

/** Text that is HTML already. */
export type Html = Exclude<ReturnType<typeof honoHtml>, Promise<unknown>>;

/** What can stand in HTML; undefined and false show nothing. */
export type Value = string | number | Html | undefined | false | readonly Value[];

/** A piece of HTML; text and numbers in it are escaped, pieces and lists of pieces are not escaped again. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return honoHtml(parts, ...values) as Html; // a promise only where a value is one
}

/** A moment with how long ago it was. */
export function ago(atMs: number, nowMs: number): Html {
  const passed = nowMs - atMs;
  const words = passed < 1_000 ? "just now" : `${roughly(passed)} ago`;
  return html`<time datetime="${new Date(atMs).toISOString()}">${words}</time>`;
}

/** How long something has been so. */
export function span(sinceMs: number, nowMs: number): Html {
  return html`<time datetime="${new Date(sinceMs).toISOString()}">${roughly(Math.max(0, nowMs - sinceMs))}</time>`;
}

/** A moment to come. */
export function until(atMs: number, nowMs: number): Html {
  const words = atMs <= nowMs ? `ended ${roughly(nowMs - atMs)} ago` : `in ${roughly(atMs - nowMs)}`;
  return html`<time datetime="${new Date(atMs).toISOString()}">${words}</time>`;
}

/** A duration as exact as one cares for: seconds below a minute, minutes below an hour, then two units. */
export function roughly(durationMs: number): string {
  const unitMs = durationMs < 1_000 ? 1 : durationMs < 60_000 ? 1_000 : 60_000;
  return formatDuration(Math.round(durationMs / unitMs) * unitMs).replace(/ 0[smh]$/, "");
}

/** A count with separators. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** A rate: three digits are enough. */
export function perSecond(value: number | undefined): string {
  if (value === undefined) return "–";
  if (value === 0 || value >= 100) return count(Math.round(value));
  return value < 0.1 ? "< 0.1" : value.toFixed(value < 10 ? 1 : 0);
}
