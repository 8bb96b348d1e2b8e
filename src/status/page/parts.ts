/** The sections of the page that show figures: verdict, sources, sinks, and what the machine keeps. */
import { formatSize } from "../../formats/duration.ts";
import { type History, lostBy, lostBySpool } from "../history.ts";
import type { AgentState, DropCount, SinkState, SourceState } from "../state.ts";
import { type RecentLosses, type Verdict, verdictOf } from "../verdict.ts";
import { ago, count, type Html, html, perSecond, roughly, span, until, type Value } from "./html.ts";
import { sparkline } from "./sparkline.ts";

/** Judges with the losses of the last hour alone. */
export function recentVerdict(state: AgentState, history: History): Verdict {
  const losses: RecentLosses = {
    when: "in the last hour",
    of: (part, id, total) => history.growth("lost", part === "spool" ? "spool" : `${part} ${id}`, total),
  };
  return verdictOf(state, losses);
}

/** The sentence at the top: what a screen reader says when it changes. */
export function verdictPart({ level, title }: Verdict): Html {
  return html`<h1 class="${level}"><span class="sign" aria-hidden="true">${signs[level]}</span> ${title}</h1>`;
}

/** What stands in its way, worst first. */
export function troublesPart({ troubles }: Verdict): Html {
  const rows = troubles.map(({ level, text }) =>
    html`<li class="${level}"><span class="sign" aria-hidden="true">${signs[level]}</span><span>${text}</span></li>`
  );
  return html`${rows.length > 0 && html`<ul class="troubles">${rows}</ul>`}`;
}

/** The sums over all of it. */
export function totalsPart({ sources, sinks, pairs, spool }: AgentState, history: History): Html {
  const inRate = sum(sources.map(({ id, received }) => history.rate("source", id, received.records) ?? 0));
  const outRate = sum(sinks.map(({ id, delivered }) => history.rate("sink", id, delivered.records) ?? 0));
  const held = sum(pairs.map(({ held }) => held));
  const lost = sum([...sources, ...sinks].map(lostBy)) + (spool === undefined ? 0 : lostBySpool(spool));
  return html`<dl class="totals">
${total("Records in, a second", perSecond(inRate))}${total("Records out, a second", perSecond(outRate))}
${total("Held", count(held))}${total("Lost since the start", count(lost), lost > 0 ? "warning" : "")}
</dl>`;
}

function total(name: string, value: string, level = ""): Html {
  return html`
    <div>
      <dt>${name}</dt>
      <dd class="${level}">${value}</dd>
    </div>
  `;
}

/** The table of sources. */
export function sourcesPart({ sources, nowMs }: AgentState, history: History): Html {
  if (sources.length === 0) return html`<p class="quiet">No sources: this agent reads nothing.</p>`;
  const heads = ["Source", "Records/s", "Received", "Dropped", "Newest record", "State"];
  return table("sources-title", heads, sources.map((source) => sourceRow(source, heads, nowMs, history)));
}

function sourceRow(source: SourceState, heads: readonly string[], nowMs: number, history: History): Html {
  const { id, type, received, drops, lastRecordMs, error, errorSinceMs, files } = source;
  const unread = files === undefined || files.unreadBytes === 0
    ? undefined
    : html`<span class="quiet">${formatSize(files.unreadBytes)} unread</span>`;
  const followed = files !== undefined && html`<span class="quiet">${count(files.watched)} files</span>`;
  const state = error === undefined
    ? html`<span class="good">reads</span>`
    : html`<span class="bad">cannot read</span> ${errorSinceMs !== undefined && html`for ${span(errorSinceMs, nowMs)}`}
<span class="error">${error}</span>`;
  return row(heads, [
    html`<span class="name">${id}</span> <span class="quiet">${type}</span>`,
    rateCell(`Source ${id}`, "source", id, received.records, history),
    html`${count(received.records)} <span class="quiet">${formatSize(received.bytes)}</span>`,
    dropsCell(drops),
    lastRecordMs === undefined ? html`<span class="quiet">none yet</span>` : ago(lastRecordMs, nowMs),
    html`${state} ${followed} ${unread}`,
  ]);
}

/** The table of sinks. */
export function sinksPart({ sinks, nowMs }: AgentState, history: History): Html {
  if (sinks.length === 0) return html`<p class="quiet">No sinks: this agent sends nothing.</p>`;
  const heads = ["Sink", "Records/s", "Delivered", "Held", "Lag", "Dropped", "State", "Certificate"];
  return table("sinks-title", heads, sinks.map((sink) => sinkRow(sink, heads, nowMs, history)));
}

function sinkRow(sink: SinkState, heads: readonly string[], nowMs: number, history: History): Html {
  const { id, type, target, delivered, held, lagMs, drops, certificateEndMs } = sink;
  return row(heads, [
    html`<span class="name">${id}</span> <span class="quiet">${type} ${target}</span>`,
    rateCell(`Sink ${id}`, "sink", id, delivered.records, history),
    html`${count(delivered.records)} <span class="quiet">${formatSize(delivered.bytes)}</span>`,
    html`${count(held.records)} ${held.records > 0 && html`<span class="quiet">${formatSize(held.bytes)}</span>`}`,
    held.records === 0 && lagMs === 0 ? html`<span class="quiet">none</span>` : roughly(lagMs),
    dropsCell(drops),
    sinkStateCell(sink, nowMs),
    certificateEndMs === undefined ? html`<span class="quiet">none</span>` : until(certificateEndMs, nowMs),
  ]);
}

function sinkStateCell({ up, sinceMs, lastError, lastErrorMs, suspensions }: SinkState, nowMs: number): Html {
  const since = sinceMs !== undefined && html`
    for ${span(sinceMs, nowMs)}
  `;
  const failed = lastError !== undefined &&
    html`<span class="error">${
      lastErrorMs !== undefined && html`
        ${ago(lastErrorMs, nowMs)}:
      `
    }${lastError}</span>`;
  const times = suspensions > 0 &&
    html`<span class="quiet">down ${count(suspensions)} ${suspensions === 1 ? "time" : "times"}</span>`;
  return html`<span class="${up ? "good" : "bad"}">${up ? "up" : "down"}</span>${since} ${times} ${failed}`;
}

/** What the machine keeps: queue and certificate. Empty where it has neither. */
export function machinePart({ spool, certificate, auditRulesLoaded, nowMs }: AgentState): readonly Html[] {
  const parts: Html[] = [];
  if (spool !== undefined) parts.push(spoolFact(spool));
  if (certificate !== undefined) {
    const { subject, ok, problem, notAfterMs, renewalMs } = certificate;
    parts.push(html`
      <div>
        <dt>Certificate</dt>
        <dd>${subject}: ${ok
          ? html`<span class="good">usable</span>`
          : html`<span class="bad">not usable</span> ${problem}`}, ends ${until(notAfterMs, nowMs)}, ${renewalMs > nowMs
          ? html`renewed ${until(renewalMs, nowMs)}`
          : "renewal is due"}</dd>
      </div>
    `);
  }
  if (auditRulesLoaded !== undefined) {
    parts.push(html`
      <div>
        <dt>Audit rules</dt>
        <dd>${auditRulesLoaded
          ? html`<span class="good">loaded</span>`
          : html`<span class="bad">not loaded</span>`}</dd>
      </div>
    `);
  }
  return parts;
}

function spoolFact({ usedBytes, maxBytes, records, drops }: NonNullable<AgentState["spool"]>): Html {
  const fill = maxBytes === 0 ? 0 : usedBytes / maxBytes;
  const filled = `${Math.round(fill * 100)} % of ${formatSize(maxBytes)}, ${count(records)} records`;
  const lost = drops.some(({ records }) => records > 0) && html`; gave up ${dropsCell(drops)}`;
  const value = fill.toFixed(3);
  return html`
    <div>
      <dt id="spool-name">Disk queue</dt>
      <dd><meter aria-labelledby="spool-name" min="0" max="1" low="0.5" high="0.8" optimum="0" value="${value}"></meter> ${filled}${lost}</dd>
    </div>
  `;
}

function rateCell(name: string, kind: "source" | "sink", id: string, total: number, history: History): Html {
  return html`<span class="rate">${perSecond(history.rate(kind, id, total))}</span>${
    sparkline(name, history.rates(kind, id))
  }`;
}

function dropsCell(drops: readonly DropCount[]): Html {
  const some = drops.filter(({ records }) => records > 0);
  if (some.length === 0) return html`0`;
  return html`${
    some.map(({ records, reason, intended }, i) =>
      html`${i > 0 && ", "}<span class="${intended ? "quiet" : "warning"}">${count(records)} ${reason}</span>`
    )
  }`;
}

/** A table that is still one for a screen reader where a narrow screen shows its rows as cards. */
function table(titleId: string, heads: readonly string[], rows: readonly Html[]): Html {
  return html`
    <table role="table" aria-labelledby="${titleId}">
      <thead role="rowgroup">
        <tr role="row">${heads.map((head) => html`<th role="columnheader" scope="col">${head}</th>`)}</tr>
      </thead>
      <tbody role="rowgroup">${rows}</tbody>
    </table>
  `;
}

function row(heads: readonly string[], cells: readonly Value[]): Html {
  return html`<tr role="row">${
    cells.map((cell, i) =>
      i === 0 ? html`<th role="rowheader" scope="row">${cell}</th>` : html`
        <td role="cell" data-head="${heads[i]}">
          <div>${cell}</div>
        </td>
      `
    )
  }</tr>`;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

/** For who cannot tell the colours. */
export const signs = { good: "✓", warning: "!", bad: "✗" } as const;
