import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { RequestHead } from "./guard.ts";
import { sessionCookie, Sessions, type Tokens } from "./sessions.ts";

function head(headers: Readonly<Record<string, string>>): RequestHead {
  return { method: "POST", target: "/", header: (name) => headers[name] };
}

function tokensOf(list: string[]): Tokens {
  return {
    accepts: (authorization) => list.some((token) => authorization === `Bearer ${token}`),
    acceptsToken: (token) => token !== undefined && list.includes(token),
  };
}

const cookie = (id: string): RequestHead => head({ cookie: `other=1; agent_session=${id}` });

Deno.test("Sessions lets everybody in where there is no token, and still wants proof from browsers", () => {
  const sessions = new Sessions(undefined);
  const visitor = sessions.visitorOf(head({}))!;
  strictEqual(visitor.knowsToken, false);
  strictEqual(sessions.isProven(head({}), visitor, undefined), true);
  const browser = head({ origin: "http://localhost" });
  strictEqual(sessions.isProven(browser, visitor, undefined), false);
  strictEqual(sessions.isProven(browser, visitor, "x"), false);
  strictEqual(sessions.isProven(browser, visitor, visitor.csrfToken), true);
});

Deno.test("Sessions begins with a token alone, and ends with time, with its token and when asked", () => {
  const list = ["first-token", "second-token"];
  let nowMs = 0;
  const sessions = new Sessions(tokensOf(list), () => nowMs);
  strictEqual(sessions.visitorOf(head({})), undefined);
  strictEqual(sessions.begin("wrong"), undefined);
  const [a, b, c] = [sessions.begin("first-token")!, sessions.begin("second-token")!, sessions.begin("second-token")!];
  notStrictEqual(sessions.visitorOf(cookie(a))!.csrfToken, sessions.visitorOf(cookie(b))!.csrfToken);
  strictEqual(sessions.visitorOf(cookie("")), undefined);
  list.shift();
  strictEqual(sessions.visitorOf(cookie(a)), undefined);
  sessions.end(cookie(b));
  strictEqual(sessions.visitorOf(cookie(b)), undefined);
  nowMs = 12 * 3_600_000 - 1;
  ok(sessions.visitorOf(cookie(c)));
  nowMs++;
  strictEqual(sessions.visitorOf(cookie(c)), undefined);
});

Deno.test("Sessions takes the proof of its own session alone; a token in a header is proof", () => {
  const sessions = new Sessions(tokensOf(["the-token"]));
  const [a, b] = [sessions.begin("the-token")!, sessions.begin("the-token")!];
  const [visitorA, visitorB] = [sessions.visitorOf(cookie(a))!, sessions.visitorOf(cookie(b))!];
  strictEqual(sessions.isProven(cookie(a), visitorA, visitorA.csrfToken), true);
  strictEqual(sessions.isProven(cookie(a), visitorA, visitorB.csrfToken), false);
  const withToken = head({ authorization: "Bearer the-token", origin: "http://localhost" });
  strictEqual(sessions.isProven(withToken, sessions.visitorOf(withToken)!, undefined), true);
});

Deno.test("Sessions keeps a bounded number, and the newest ones", () => {
  const sessions = new Sessions(tokensOf(["the-token"]));
  const ids = Array.from({ length: 100 }, () => sessions.begin("the-token")!);
  deepStrictEqual(ids.filter((id) => sessions.visitorOf(cookie(id)) !== undefined), ids.slice(-64));
});

Deno.test("sessionCookie() is for no script and no other site", () => {
  match(sessionCookie("x", false), /^agent_session=x; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  match(sessionCookie("x", true), /; Secure$/);
  match(sessionCookie("", true), /Max-Age=0/);
});
