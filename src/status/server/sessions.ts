/**
 * Who may come in: by a token in a header, or by a session that began with one. A session lives in memory, so a restart ends it; it ends,
 * too, when its token is taken out of the file.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { TokenFile } from "../../system/token_file.ts";
import { isFromBrowser, type RequestHead } from "./guard.ts";

/** A caller who may come in. */
export interface Visitor {
  /** Proof for forms and scripts of our page, see {@linkcode Sessions.isProven}. */
  readonly csrfToken: string;
  /** Whether the caller has shown a token, here and now or at the beginning of the session. */
  readonly knowsToken: boolean;
}

/** What is asked of the file of tokens. */
export type Tokens = Pick<TokenFile, "accepts" | "acceptsToken">;

interface Session {
  readonly token: string;
  readonly csrfToken: string;
  readonly endMs: number;
}

/** Sessions of a server. Without a file of tokens everybody may come in who reaches it. */
export class Sessions {
  readonly #tokens: Tokens | undefined;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session>();
  /** For visitors without a session: all who can read our page may have it. */
  readonly #commonCsrfToken = newSecret();

  /** @param now milliseconds that only grow */
  constructor(tokens: Tokens | undefined, now: () => number = () => performance.now()) {
    this.#tokens = tokens;
    this.#now = now;
  }

  /** Undefined: the caller must show a token first. */
  visitorOf(head: RequestHead): Visitor | undefined {
    const tokens = this.#tokens;
    if (tokens === undefined) return { csrfToken: this.#commonCsrfToken, knowsToken: false };
    if (tokens.accepts(head.header("authorization"))) return { csrfToken: this.#commonCsrfToken, knowsToken: true };
    const session = this.#sessionOf(head);
    return session === undefined ? undefined : { csrfToken: session.csrfToken, knowsToken: true };
  }

  /** Whether a request that changes something was meant by whoever sits at the browser. `proof` is what it sent for it. */
  isProven(head: RequestHead, visitor: Visitor, proof: string | undefined): boolean {
    if (!isFromBrowser(head) || this.#tokens?.accepts(head.header("authorization")) === true) return true;
    return proof !== undefined && equalText(proof, visitor.csrfToken);
  }

  /** Begins a session: what goes into its cookie, or undefined when the token is none. */
  begin(token: string): string | undefined {
    if (this.#tokens?.acceptsToken(token) !== true) return undefined;
    const id = newSecret();
    for (const [old, { endMs }] of this.#sessions) if (endMs <= this.#now()) this.#sessions.delete(old);
    while (this.#sessions.size >= maxSessions) this.#sessions.delete(this.#sessions.keys().next().value!);
    this.#sessions.set(keyOf(id), { token, csrfToken: newSecret(), endMs: this.#now() + sessionSeconds * 1_000 });
    return id;
  }

  /** Ends the session that the request belongs to. */
  end(head: RequestHead): void {
    this.#sessions.delete(keyOf(cookieOf(head)));
  }

  #sessionOf(head: RequestHead): Session | undefined {
    const key = keyOf(cookieOf(head));
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    if (session.endMs > this.#now() && this.#tokens?.acceptsToken(session.token) === true) return session;
    this.#sessions.delete(key);
    return undefined;
  }
}

/** The value of `Set-Cookie`; an empty `id` takes the cookie away. */
export function sessionCookie(id: string, secure: boolean): string {
  const age = id === "" ? 0 : sessionSeconds;
  return `${cookieName}=${id}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
}

function cookieOf(head: RequestHead): string {
  for (const part of (head.header("cookie") ?? "").split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === cookieName && value !== undefined) return value;
  }
  return "";
}

/** What the map knows is a digest, so that looking it up tells nothing about ids. */
function keyOf(id: string): string {
  return createHash("sha256").update(id).digest("base64");
}

function equalText(a: string, b: string): boolean {
  const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

const cookieName = "agent_session";
const sessionSeconds = 12 * 3_600;
const maxSessions = 64;
