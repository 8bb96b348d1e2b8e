/**
 * Chromium without a window, driven over its own protocol (CDP, https://chromedevtools.github.io/devtools-protocol/). It can reach
 * nothing but loopback, and tells of every request that a page makes.
 */
import { RunningProgram, stretched, waitFor } from "./process.ts";

type Json = Readonly<Record<string, unknown>>;
type Listener = (parameters: Json, session: string | undefined) => void;

/** What a page is opened with. */
export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  /** Default true. */
  readonly script?: boolean;
  /** Where downloads go. */
  readonly downloads?: string;
}

/** A node of the tree that screen readers are given. */
export interface AccessibleNode {
  readonly role: string;
  readonly name: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** A running browser. Dispose it: it ends and its profile is removed. */
export class Browser implements AsyncDisposable {
  readonly #program: RunningProgram;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve(value: Json): void; reject(error: Error): void; method: string }>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #lastId = 0;

  private constructor(program: RunningProgram, folder: string, socket: WebSocket) {
    this.#program = program;
    this.#folder = folder;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)));
    socket.onclose = () => {
      for (const { reject, method } of this.#waiting.values()) reject(new Error(`Cannot do ${method}: browser ended`));
    };
  }

  /** Starts Debian's chromium with a profile of its own. */
  static async open(): Promise<Browser> {
    const folder = Deno.makeTempDirSync({ prefix: "browser" });
    const program = RunningProgram.start("chromium", [...words, `--user-data-dir=${folder}`, "about:blank"], {
      env: { HOME: folder },
    });
    const [, address] = await program.waitForOutput(/DevTools listening on (ws:\S+)/, 30_000);
    const socket = new WebSocket(address!);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("Cannot reach the browser"));
    });
    return new Browser(program, folder, socket);
  }

  /** An empty page, in a context of its own (cookies, storage). */
  async newPage(options: PageOptions = {}): Promise<Page> {
    const { browserContextId } = await this.send("Target.createBrowserContext", {});
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    if (options.downloads !== undefined) {
      await this.send("Browser.setDownloadBehavior", {
        behavior: "allowAndName",
        browserContextId,
        downloadPath: options.downloads,
        eventsEnabled: true,
      });
    }
    const page = new Page(this, String(sessionId));
    await page.prepare(options);
    return page;
  }

  /** One command of the protocol. @throws what the browser refuses */
  send(method: string, parameters: Json, sessionId?: string): Promise<Json> {
    const id = ++this.#lastId;
    const answer = new Promise<Json>((resolve, reject) => this.#waiting.set(id, { resolve, reject, method }));
    this.#socket.send(JSON.stringify({ id, method, params: parameters, ...(sessionId && { sessionId }) }));
    return answer;
  }

  /** Calls `listener` at every such event. */
  on(event: string, listener: Listener): void {
    const known = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, known.add(listener));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.send("Browser.close", {}).catch(() => {});
    this.#socket.close();
    const children = descendantsOf(this.#program.pid);
    await this.#program[Symbol.asyncDispose]();
    await waitFor(() => !children.some(isAlive), "the end of the browser's helpers");
    await removeFolder(this.#folder);
  }

  #take(message: Json): void {
    const { id, method, params, error, result, sessionId } = message;
    if (typeof method === "string") {
      for (const listener of this.#listeners.get(method) ?? []) {
        listener(params as Json, sessionId as string | undefined);
      }
      return;
    }
    const waiting = this.#waiting.get(Number(id));
    this.#waiting.delete(Number(id));
    if (error === undefined) waiting?.resolve(result as Json);
    else waiting?.reject(new Error(`Cannot do ${waiting.method}: ${(error as { message: string }).message}`));
  }
}

/** One page. */
export class Page {
  /** Addresses of all requests so far. */
  readonly requests: string[] = [];
  /** Complaints of the page's console: errors of scripts, breaches of its policy, what could not be loaded. */
  readonly complaints: string[] = [];
  /** Documents that are whole, by the ids of their loaders. */
  readonly #loaded = new Set<string>();
  /** Guids of finished downloads, which are the names of their files. */
  readonly downloads: string[] = [];
  readonly #browser: Browser;
  readonly #session: string;

  constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
  }

  /** Called by `Browser.newPage`. */
  async prepare({ width = 1280, height = 900, scheme = "light", script = true }: PageOptions): Promise<void> {
    this.#on("Network.requestWillBeSent", ({ request }) => this.requests.push((request as { url: string }).url));
    this.#on(
      "Runtime.exceptionThrown",
      ({ exceptionDetails }) => this.complaints.push(JSON.stringify(exceptionDetails)),
    );
    this.#on("Log.entryAdded", ({ entry }) => {
      const { level, text, url } = entry as { level: string; text: string; url?: string };
      if (level === "error") this.complaints.push(`${text} ${url ?? ""}`);
    });
    this.#browser.on("Browser.downloadProgress", ({ state, guid }) => {
      if (state === "completed") this.downloads.push(String(guid));
    });
    this.#on("Page.lifecycleEvent", ({ name, loaderId }) => {
      if (name === "load") this.#loaded.add(String(loaderId));
    });
    for (const domain of ["Page", "Runtime", "Network", "Log", "Accessibility"]) {
      await this.#send(`${domain}.enable`, {});
    }
    await this.#send("Page.setLifecycleEventsEnabled", { enabled: true });
    await this.#send("Emulation.setScriptExecutionDisabled", { value: !script });
    await this.setScheme(scheme);
    await this.resize(width, height);
  }

  /** Opens an address and waits until all of it is loaded. */
  async open(url: string): Promise<void> {
    const { errorText, loaderId } = await this.#send("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`Cannot open "${url}": ${errorText}`);
    await waitFor(() => this.#loaded.has(String(loaderId)), `the whole of "${url}"`);
  }

  /** The value of an expression in the page; promises are waited for. @throws what it throws */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) {
      throw new Error(`Cannot evaluate "${expression.slice(0, 200)}": ${JSON.stringify(exceptionDetails)}`);
    }
    return (result as { value: T }).value;
  }

  /** Waits until the expression is true, also over a change of the document. @throws at the deadline, with what the page shows */
  async waitUntil(expression: string, deadlineMs = 20_000): Promise<void> {
    const endMs = performance.now() + stretched(deadlineMs);
    while (!await this.#holds(expression)) {
      if (performance.now() > endMs) {
        const text = await this.evaluate<string>("document.body.innerText");
        throw new Error(
          `Cannot see ${expression}: not within ${stretched(deadlineMs)} ms\n${text}\n${this.complaints.join("\n")}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Whether an expression is true; not while one document gives way to the next. */
  async #holds(expression: string): Promise<boolean> {
    try {
      return await this.evaluate<boolean>(`Boolean(${expression})`);
    } catch (error) {
      if (/Inspected target navigated|Execution context was destroyed|Cannot find .*context/.test(String(error))) {
        return false;
      }
      throw error;
    }
  }

  /** A key as a person presses it: `Tab`, `Enter`, ` `. */
  async press(key: string): Promise<void> {
    const code = { Tab: 9, Enter: 13, " ": 32 }[key] ?? 0;
    const text = key === "Enter" ? "\r" : key.length === 1 ? key : undefined;
    const event = { key, windowsVirtualKeyCode: code, ...(text === undefined ? {} : { text }) };
    await this.#send("Input.dispatchKeyEvent", { type: text === undefined ? "rawKeyDown" : "keyDown", ...event });
    await this.#send("Input.dispatchKeyEvent", { type: "keyUp", key, windowsVirtualKeyCode: code });
  }

  /** Text as a person types it, into what has the focus. */
  async type(text: string): Promise<void> {
    await this.#send("Input.insertText", { text });
  }

  /** All nodes of the tree that screen readers are given, in the order of the page, without those that are passed over. */
  async accessibleNodes(): Promise<readonly AccessibleNode[]> {
    const { nodes } = await this.#send("Accessibility.getFullAXTree", {});
    const byId = new Map((nodes as TreeNode[]).map((node) => [node.nodeId, node]));
    const inOrder = (node: TreeNode | undefined): TreeNode[] =>
      node === undefined ? [] : [node, ...node.childIds.flatMap((id) => inOrder(byId.get(id)))];
    return inOrder((nodes as TreeNode[])[0]).filter(({ ignored }) => !ignored).map(({ role, name, properties }) => ({
      role: role?.value ?? "",
      name: name?.value ?? "",
      properties: Object.fromEntries((properties ?? []).map(({ name, value }) => [name, value.value])),
    }));
  }

  async setScheme(scheme: "light" | "dark"): Promise<void> {
    await this.#send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  async resize(width: number, height: number): Promise<void> {
    await this.#send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  }

  /** The whole page as PNG. */
  async screenshot(path: string): Promise<void> {
    const { data } = await this.#send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    Deno.writeFileSync(path, Uint8Array.fromBase64(String(data)));
  }

  #send(method: string, parameters: Json): Promise<Json> {
    return this.#browser.send(method, parameters, this.#session);
  }

  #on(event: string, listener: (parameters: Json) => void): void {
    this.#browser.on(event, (parameters, session) => {
      if (session === this.#session) listener(parameters);
    });
  }
}

/** What the protocol tells of a node. */
interface TreeNode {
  readonly nodeId: string;
  readonly childIds: readonly string[];
  readonly ignored: boolean;
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
  readonly properties?: readonly { readonly name: string; readonly value: { readonly value: unknown } }[];
}

/** Processes that a process has started, and those that these have. */
function descendantsOf(pid: number): readonly number[] {
  const parents = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).map(({ name }) =>
    [Number(name), parentOf(Number(name))] as const
  );
  const found = [pid];
  for (const one of found) found.push(...parents.filter(([, parent]) => parent === one).map(([child]) => child));
  return found.slice(1);
}

function parentOf(pid: number): number | undefined {
  const parent = statOf(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** Whether a process runs; one that waits for its parent to ask does not. */
function isAlive(pid: number): boolean {
  return (statOf(pid)?.[0] ?? "Z") !== "Z";
}

/** Fields of a process's `stat` behind its name: state, parent; undefined when it is gone. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** The browser's helpers may still write into it for a moment. */
async function removeFolder(path: string): Promise<void> {
  for (let i = 0;; i++) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (i === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const words = [
  "--headless=new",
  "--remote-debugging-port=0",
  "--no-sandbox", // tests run as root, in a machine of their own
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-sync",
  "--disable-extensions",
  "--disable-component-update",
  "--disable-background-networking",
  "--disable-default-apps",
  "--hide-scrollbars",
  "--no-proxy-server",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];
