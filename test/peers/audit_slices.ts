/** What is in a folder of slices of audit events, judged event by event. */
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type AuditPlan, hourOf, namespaceOf, numberOfEvent, plantedSecret } from "./audit_events.ts";

/** The verdict over slices of one plan. */
export interface SlicesVerdict {
  readonly received: number;
  readonly lost: number;
  readonly duplicates: number;
  /** Events in a file of another namespace or hour than theirs. */
  readonly misplaced: number;
  /** Events with something in them that had to be hidden. */
  readonly leaked: number;
  /** Lines that are no events. */
  readonly foreign: number;
  /** Slices: namespace and hour. */
  readonly slices: number;
}

/** The verdict where every event came once, to its place. */
export function perfectSlices(plan: AuditPlan): SlicesVerdict {
  const slices = new Set<string>();
  for (let i = 0; i < plan.events; i++) slices.add(sliceOf(i, plan));
  const none = { lost: 0, duplicates: 0, misplaced: 0, leaked: 0, foreign: 0 };
  return { received: plan.events, ...none, slices: slices.size };
}

/** Reads `NAMESPACE/audit-HOUR.log.gz` below `folder`. @throws when a file is no whole gzip */
export function judgeSlices(folder: string, plan: AuditPlan): SlicesVerdict {
  const seen = new Uint8Array(plan.events);
  const count = { received: 0, duplicates: 0, misplaced: 0, leaked: 0, foreign: 0 };
  let slices = 0;
  for (const { name: namespace, isDirectory } of Deno.readDirSync(folder)) {
    if (!isDirectory) continue;
    for (const { name } of Deno.readDirSync(join(folder, namespace))) {
      slices++;
      const text = gunzipSync(Deno.readFileSync(join(folder, namespace, name))).toString();
      for (const line of text.split("\n").slice(0, -1)) {
        const index = numberOfEvent(line);
        if (index < 0 || index >= plan.events) {
          count.foreign++;
          continue;
        }
        count.received++;
        if (seen[index]!++ > 0) count.duplicates++;
        if (`${namespace}/${name}` !== sliceOf(index, plan)) count.misplaced++;
        if (line.includes(plantedSecret)) count.leaked++;
      }
    }
  }
  return { ...count, lost: seen.filter((times) => times === 0).length, slices };
}

function sliceOf(index: number, plan: AuditPlan): string {
  return `${namespaceOf(index) ?? "none"}/audit-${hourOf(index, plan)}.log.gz`;
}
