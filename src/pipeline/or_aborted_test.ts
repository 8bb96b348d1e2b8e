import { rejects, strictEqual } from "node:assert/strict";
import { orAborted } from "./or_aborted.ts";

/** A signal that counts its listeners. */
function countingSignal(): { signal: AbortSignal; abort(): void; listeners(): number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...words: Parameters<typeof add>) => (listeners++, add(...words));
  signal.removeEventListener = (...words: Parameters<typeof remove>) => (listeners--, remove(...words));
  return { signal, abort: () => controller.abort(), listeners: () => listeners };
}

Deno.test("orAborted() gives the value, or the error, and leaves no listener behind", async () => {
  const { signal, listeners } = countingSignal();
  strictEqual(await orAborted(Promise.resolve(7), signal), 7);
  await rejects(orAborted(Promise.reject(new Error("broken")), signal), /broken/);
  await Promise.resolve();
  strictEqual(listeners(), 0);
});

Deno.test("orAborted() gives undefined at the abort, and from then on", async () => {
  const { signal, abort } = countingSignal();
  const never = new Promise<number>(() => {});
  const waiting = orAborted(never, signal);
  abort();
  strictEqual(await waiting, undefined);
  strictEqual(await orAborted(Promise.reject(new Error("late")), signal), undefined);
});
