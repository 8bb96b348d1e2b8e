/**
 * A cluster through its API, where there is no kubectl: with the service account of a pod, or the kubeconfig of a node.
 * Of Secrets only the metadata is asked for (PartialObjectMetadataList): their values never leave the API server.
 */
import { request } from "node:https";
import type { Artifact, DumpContext } from "../collector.ts";
import { textArtifact } from "./define.ts";
import { readTextOr } from "./files.ts";

/** Where the API is and how it is asked. The token and the key stay in memory. */
export interface Api {
  /** `https://host:port`. */
  readonly url: string;
  /** PEM of the CA, of our certificate and its key. */
  readonly ca?: string;
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Every resource as JSON lists, pod logs with timestamps, events. */
export async function* collectFromApi(
  context: DumpContext,
  options: { readonly namespaces: readonly string[]; readonly kubeconfig?: string },
): AsyncIterable<Artifact> {
  const api = context.machine.live ? await findApi(context, options.kubeconfig) : undefined;
  if (api === undefined) {
    const text =
      "Cannot ask the cluster: there is neither kubectl nor a service account or kubeconfig that could be read\n" +
      "Try: kubectl in the PATH, or --kubeconfig FILE; https://kubernetes.io/docs/tasks/tools/";
    return context.note({ about: "kube/kubectl-get", state: "missing", text });
  }
  try {
    yield* new ApiReader(context, api, options.namespaces).collect();
  } catch (error) {
    context.signal.throwIfAborted();
    const text = `Cannot ask the API of the cluster "${api.url}": ${(error as Error).message}`;
    context.note({ about: "kube/api", state: "error", text });
  }
}

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

async function findApi(context: DumpContext, kubeconfig: string | undefined): Promise<Api | undefined> {
  const read = (path: string): Promise<string | undefined> => readTextOr(context.machine.locate(path), context.signal);
  const host = Deno.env.get("KUBERNETES_SERVICE_HOST");
  const token = await read(`${accountFolder}/token`);
  if (kubeconfig === undefined && host !== undefined && token !== undefined) {
    const ca = await read(`${accountFolder}/ca.crt`);
    const port = Deno.env.get("KUBERNETES_SERVICE_PORT_HTTPS") ?? "443";
    const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
    return { url, token: token.trim(), ...(ca === undefined ? {} : { ca }) };
  }
  const paths = kubeconfig === undefined
    ? [Deno.env.get("KUBECONFIG"), "/etc/rancher/k3s/k3s.yaml", "/etc/kubernetes/admin.conf"]
    : [kubeconfig];
  for (const path of paths) {
    const text = path === undefined ? undefined : await read(path);
    const api = text === undefined ? undefined : parseKubeconfig(text);
    if (api !== undefined) return api;
  }
  return undefined;
}

/**
 * The first cluster and user of a kubeconfig whose credentials stand in it, as k3s and kubeadm write them; undefined for
 * others (several clusters, plugins): a YAML reader would be a dependency for what kubectl does better.
 */
export function parseKubeconfig(text: string): Api | undefined {
  const value = (key: string): string | undefined => {
    const found = new RegExp(`^\\s*(?:- )?${key}:\\s*"?([^\\s"]+)"?\\s*$`, "m").exec(text)?.[1];
    return found === "" ? undefined : found;
  };
  const decoded = (key: string): string | undefined => {
    const data = value(key);
    return data === undefined
      ? undefined
      : new TextDecoder().decode(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
  };
  const url = value("server");
  if (url === undefined || !url.startsWith("https://") || (text.match(/^\s*(- )?server:/gm)?.length ?? 0) > 1) {
    return undefined;
  }
  try {
    const parts = {
      ca: decoded("certificate-authority-data"),
      token: value("token"),
      cert: decoded("client-certificate-data"),
      key: decoded("client-key-data"),
    };
    const known = Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
    return known.token === undefined && known.key === undefined
      ? undefined
      : { url: url.replace(/\/+$/, ""), ...known };
  } catch {
    return undefined; // not base64
  }
}

class ApiReader {
  readonly #context: DumpContext;
  readonly #api: Api;
  readonly #namespaces: readonly string[];

  constructor(context: DumpContext, api: Api, namespaces: readonly string[]) {
    this.#context = context;
    this.#api = api;
    this.#namespaces = namespaces;
  }

  async *collect(): AsyncIterable<Artifact> {
    yield textArtifact("kube/api_version.json", "GET /version", await this.#get("/version"), "json");
    yield* this.#podLogs();
    for (const { base, name, group, isNamespaced } of await this.#types()) {
      const scopes = isNamespaced && this.#namespaces.length > 0 ? this.#namespaces : [undefined];
      for (const namespace of scopes) {
        if (this.#context.signal.aborted) return;
        const path = `${base}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${name}`;
        const suffix = (group === "" ? "" : `.${group}`) + (namespace === undefined ? "" : `_${namespace}`);
        const text = name === "secrets" ? await this.#secrets(path) : await this.#try(path);
        if (text !== undefined) {
          yield textArtifact(`kube/kubectl_get_${name}${suffix}.json`, `GET ${path}`, text, "json");
        }
      }
    }
  }

  async *#podLogs(): AsyncIterable<Artifact> {
    const tail = this.#context.profile === "complete" ? 100_000 : 1_000;
    for (const namespace of this.#namespaces.length > 0 ? this.#namespaces : [undefined]) {
      const path = `/api/v1${namespace === undefined ? "" : `/namespaces/${namespace}`}/pods`;
      const list = JSON.parse(await this.#try(path) ?? "{}") as PodList;
      for (const { metadata, spec } of list.items ?? []) {
        for (const { name } of spec?.containers ?? []) {
          if (this.#context.signal.aborted) return;
          const words = `container=${encodeURIComponent(name)}&timestamps=true&tailLines=${tail}`;
          const log = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/log?${words}`;
          const text = await this.#try(log);
          const to = `kube/kubectl_logs_${metadata.namespace}_${metadata.name}_${name}.log`;
          if (text !== undefined) yield textArtifact(to, `GET ${log}`, text, "log");
        }
      }
    }
  }

  async #types(): Promise<readonly { base: string; name: string; group: string; isNamespaced: boolean }[]> {
    const groups = JSON.parse(await this.#get("/apis")) as {
      groups?: { preferredVersion: { groupVersion: string } }[];
    };
    const bases = [
      "/api/v1",
      ...(groups.groups ?? []).map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`),
    ];
    const found: { base: string; name: string; group: string; isNamespaced: boolean }[] = [];
    for (const base of bases) {
      const list = JSON.parse(await this.#try(base) ?? "{}") as { resources?: ResourceType[] };
      for (const { name, namespaced, verbs } of list.resources ?? []) {
        if (name.includes("/") || !verbs.includes("list")) continue;
        found.push({
          base,
          name,
          group: base.startsWith("/apis/") ? base.split("/")[2]! : "",
          isNamespaced: namespaced,
        });
      }
    }
    return found;
  }

  /** Names and types only; annotations may repeat the values. */
  async #secrets(path: string): Promise<string | undefined> {
    const text = await this.#try(path, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    if (text === undefined) return undefined;
    const list = JSON.parse(text) as { kind?: string; items?: { metadata: Record<string, unknown> }[] };
    if (list.kind !== "PartialObjectMetadataList") return undefined; // an API that gave more than it was asked for
    const items = (list.items ?? []).map(({ metadata: { name, namespace, creationTimestamp } }) => ({
      metadata: { name, namespace, creationTimestamp },
    }));
    return JSON.stringify({ kind: list.kind, items }, null, 1);
  }

  /** Undefined, and noted, where it may not be asked. */
  async #try(path: string, accept?: string): Promise<string | undefined> {
    try {
      return await this.#get(path, accept);
    } catch (error) {
      this.#context.signal.throwIfAborted();
      const { message } = error as Error;
      const state = message.startsWith("40") ? "denied" : "error";
      this.#context.note({ about: `kube/api${path.split("?")[0]}`, state, text: `Cannot GET "${path}": ${message}` });
      return undefined;
    }
  }

  /** At most 64 MiB within 20 s. @throws with the status, or what the connection says */
  #get(path: string, accept = "application/json"): Promise<string> {
    const { url, token, ca, cert, key } = this.#api;
    const signal = AbortSignal.any([this.#context.signal, AbortSignal.timeout(20_000)]);
    const headers = { accept, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    return new Promise((resolve, reject) => {
      const options = {
        headers,
        signal,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert, key }),
      };
      const asked = request(url + path, options, (answer) => {
        const text = new TextDecoder();
        let body = "";
        answer.on("data", (chunk: Uint8Array) => {
          body += text.decode(chunk, { stream: true });
          if (body.length > 64 * 2 ** 20) answer.destroy(new Error("more than 64 MiB"));
        });
        answer.on("error", reject);
        answer.on("end", () => answer.statusCode === 200 ? resolve(body) : reject(new Error(`${answer.statusCode}`)));
      });
      asked.on("error", reject);
      asked.end();
    });
  }
}

interface PodList {
  readonly items?: readonly {
    readonly metadata: { readonly namespace: string; readonly name: string };
    readonly spec?: { readonly containers?: readonly { readonly name: string }[] };
  }[];
}

interface ResourceType {
  readonly name: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}
