/**
 * A cluster through kubectl. Pod logs come first: they matter most. Of Secrets only names, types and keys are asked for:
 * a value that was never printed cannot leak. Without kubectl the API is asked directly (`kubernetes_api.ts`).
 */
import type { Artifact, Collector, DumpContext, DumpProfile } from "../collector.ts";
import { collector, type CommandArtifact, commandArtifact, textArtifact, textOfCommand } from "./define.ts";
import { collectFromApi } from "./kubernetes_api.ts";

/** What of a cluster is gathered. */
export interface KubernetesOptions {
  /** None: all. */
  readonly namespaces: readonly string[];
  /** Path of a kubeconfig; default: that of the environment, or of the node. */
  readonly kubeconfig?: string;
  /** Resource types to take, `pods`, `certificates.cert-manager.io`; none: all. */
  readonly resources: readonly string[];
}

/** The cluster. */
export function kubernetesCollector(options: KubernetesOptions): Collector {
  return collector({
    id: "kubernetes/cluster",
    summary: "pod logs, events and every resource of the cluster; of Secrets names and keys only",
    timeoutMs: 180_000,
    skips: (machine) => {
      if (machine.kinds.has("kubernetes") || options.kubeconfig !== undefined) return undefined;
      return machine.which("kubectl") === undefined ? "no Kubernetes" : undefined;
    },
    plan: (machine) => [
      "run kubectl version, api-resources",
      "run kubectl get pods, kubectl logs --timestamps for each container",
      "run kubectl get RESOURCE --output yaml for each type of resource",
      "run kubectl get secrets with a template of names, types and keys",
      ...(machine.which("kubectl") === undefined ? ["GET the same from the API, where there is no kubectl"] : []),
    ],
    async *collect(context): AsyncIterable<Artifact> {
      const kubectl = await findKubectl(context, options);
      if (kubectl === undefined) yield* collectFromApi(context, options);
      else yield* new Cluster(context, options, kubectl).collect();
    },
  });
}

/** How kubectl is called here. */
interface Kubectl {
  readonly program: string;
  readonly first: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

async function findKubectl(context: DumpContext, options: KubernetesOptions): Promise<Kubectl | undefined> {
  const { machine } = context;
  if (!machine.live) return undefined;
  const program = ["kubectl", "k3s", "rke2", "microk8s"].find((name) => machine.which(name) !== undefined);
  if (program === undefined || program === "rke2") return undefined;
  const own = Deno.env.get("KUBECONFIG") || undefined;
  const config = options.kubeconfig ?? own ?? await firstThere(usualConfigs);
  const environment = config === undefined ? {} : { KUBECONFIG: config };
  return { program, first: program === "kubectl" ? [] : ["kubectl"], environment };
}

/** Those of nodes; `~/.kube/config` is kubectl's own default. */
const usualConfigs = ["/etc/rancher/k3s/k3s.yaml", "/etc/rancher/rke2/rke2.yaml", "/etc/kubernetes/admin.conf"];

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  const home = Deno.env.get("HOME");
  // Where the user has one of their own, kubectl shall take that.
  if (home !== undefined && await isFile(`${home}/.kube/config`)) return undefined;
  for (const path of paths) if (await isFile(path)) return path;
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile === true;
}

const logLines: Readonly<Record<DumpProfile, number>> = { speed: 500, size: 1_000, complete: 100_000 };
const mostContainers: Readonly<Record<DumpProfile, number>> = { speed: 60, size: 200, complete: 5_000 };

class Cluster {
  readonly #context: DumpContext;
  readonly #options: KubernetesOptions;
  readonly #kubectl: Kubectl;

  constructor(context: DumpContext, options: KubernetesOptions, kubectl: Kubectl) {
    this.#context = context;
    this.#options = options;
    this.#kubectl = kubectl;
  }

  async *collect(): AsyncIterable<Artifact> {
    const version = await this.#version();
    // One answer decides: with a dead API server each of sixty questions would take its whole time.
    if (version === undefined) return;
    yield textArtifact("kube/kubectl_version.yaml", "kubectl version", version, "yaml");
    yield this.#artifact(["get", "nodes", "--output", "wide"], "kube/nodes.txt");
    yield this.#artifact(["get", "pods", ...this.#allScope, "--output", "wide"], "kube/pods.txt");
    yield* this.#podLogs();
    for (const scope of this.#scopes) {
      yield this.#artifact(
        ["get", "events", ...scope.args, "--sort-by=.lastTimestamp"],
        `kube/events${scope.suffix}.txt`,
      );
    }
    yield* this.#resources();
    if (this.#context.profile === "complete") yield this.#artifact(["describe", "nodes"], "kube/nodes-described.txt");
  }

  /** Undefined where no cluster answers; that is an error only where one is known or asked for: kubectl alone is a tool. */
  async #version(): Promise<string | undefined> {
    const to = "kube/kubectl_version.yaml";
    const { machine } = this.#context;
    const home = Deno.env.get("HOME");
    const isKnown = this.#context.isAsked === true || machine.kinds.has("kubernetes") ||
      this.#kubectl.environment.KUBECONFIG !== undefined ||
      (home !== undefined && await isFile(`${home}/.kube/config`));
    if (isKnown) return await this.#text(["version", "--output", "yaml"], to, 10_000);
    const command = this.#command(["version", "--output", "yaml"], to, "text", 10_000);
    return await textOfCommand(this.#context, { ...command, isQuiet: true });
  }

  get #allScope(): readonly string[] {
    const [only, more] = this.#options.namespaces;
    return only !== undefined && more === undefined ? ["--namespace", only] : ["--all-namespaces"];
  }

  /** One question for all namespaces, or one for each that was asked for. */
  get #scopes(): readonly { args: readonly string[]; suffix: string }[] {
    const { namespaces } = this.#options;
    if (namespaces.length === 0) return [{ args: ["--all-namespaces"], suffix: "" }];
    return namespaces.map((name) => ({
      args: ["--namespace", name],
      suffix: namespaces.length === 1 ? "" : `_${name}`,
    }));
  }

  async *#podLogs(): AsyncIterable<Artifact> {
    const containers: string[][] = [];
    for (const { args } of this.#scopes) {
      const rows = await this.#text(
        ["get", "pods", ...args, "--output", `go-template=${podTemplate}`],
        "kube/pod-logs",
      );
      for (const line of (rows ?? "").split("\n")) {
        const fields = line.split(" ");
        if (fields.length === 4) containers.push(fields);
      }
    }
    const most = mostContainers[this.#context.profile];
    // The ones that were started again are the ones that somebody asks about.
    containers.sort((a, b) => Number(b[3]) - Number(a[3]));
    for (const [namespace, pod, container, restarts] of containers.slice(0, most)) {
      if (this.#context.signal.aborted) return;
      const name = `kube/kubectl_logs_${namespace}_${pod}_${container}`;
      const words = ["logs", "--namespace", namespace!, pod!, "--container", container!, "--timestamps"];
      const since = this.#context.since;
      const bounds = [
        `--tail=${logLines[this.#context.profile]}`,
        ...since === undefined ? [] : [`--since-time=${since.toISOString()}`],
      ];
      yield this.#artifact([...words, ...bounds], `${name}.log`, "log");
      if (Number(restarts) > 0) {
        yield this.#artifact([...words, ...bounds, "--previous"], `${name}_previous.log`, "log");
      }
    }
    if (containers.length > most) {
      const text = `Cannot take the logs of all containers: ${
        containers.length - most
      } are left out by the profile\nTry: --profile complete`;
      this.#context.note({ about: "kube/pod-logs", state: "partial", text });
    }
  }

  async *#resources(): AsyncIterable<Artifact> {
    for (const isNamespaced of [true, false]) {
      const words = ["api-resources", "--verbs=list", `--namespaced=${isNamespaced}`, "--output", "name"];
      const names = (await this.#text(words, "kube/api-resources") ?? "").split("\n").map((line) => line.trim());
      const wanted = names.filter((name) => /^[a-z0-9.-]+$/.test(name) && this.#isWanted(name));
      const scopes = isNamespaced ? this.#scopes : [{ args: [], suffix: "" }];
      for (const name of wanted) {
        for (const { args, suffix } of scopes) {
          if (this.#context.signal.aborted) return;
          const isSecret = name === "secrets";
          const output = isSecret ? `go-template=${secretTemplate}` : "yaml";
          yield this.#artifact(
            ["get", name, ...args, "--output", output],
            `kube/kubectl_get_${name}${suffix}.yaml`,
            "yaml",
          );
        }
      }
    }
  }

  #isWanted(name: string): boolean {
    const { resources } = this.#options;
    if (resources.length > 0) return resources.includes(name) || resources.includes(name.split(".")[0]!);
    return this.#context.profile !== "speed" || quickResources.has(name);
  }

  #artifact(words: readonly string[], to: string, kind: "text" | "log" | "yaml" = "text"): Artifact {
    return commandArtifact(this.#context, this.#command(words, to, kind, 20_000));
  }

  #text(words: readonly string[], to: string, timeoutMs = 20_000): Promise<string | undefined> {
    return textOfCommand(this.#context, this.#command(words, to, "text", timeoutMs));
  }

  #command(words: readonly string[], to: string, kind: "text" | "log" | "yaml", timeoutMs: number): CommandArtifact {
    const { program, first, environment } = this.#kubectl;
    const args = [...first, ...words, `--request-timeout=${Math.ceil(timeoutMs / 2_000)}s`];
    return { program, args, environment, to, kind, timeoutMs };
  }
}

/** `namespace pod container restarts` per container, those that only prepare included. */
const podTemplate = "{{range .items}}{{$p := .}}" +
  ["initContainerStatuses", "containerStatuses"].map((list) =>
    `{{range .status.${list}}}{{$p.metadata.namespace}} {{$p.metadata.name}} {{.name}} {{.restartCount}}{{"\\n"}}{{end}}`
  ).join("") + "{{end}}";
/** YAML with the metadata that matters and the names of the keys; annotations may repeat the values, so none is printed. */
const secretTemplate =
  `{{"items:\\n"}}{{range .items}}- metadata:{{"\\n"}}    name: {{printf "%q" .metadata.name}}{{"\\n"}}` +
  `    namespace: {{printf "%q" .metadata.namespace}}{{"\\n"}}` +
  `    creationTimestamp: {{printf "%q" .metadata.creationTimestamp}}{{"\\n"}}` +
  `  type: {{printf "%q" .type}}{{"\\n"}}  keys:{{"\\n"}}{{range $k, $v := .data}}  - {{printf "%q" $k}}{{"\\n"}}{{end}}{{end}}`;
/** What says most, for the profile that must be quick. */
const quickResources: ReadonlySet<string> = new Set([
  "pods",
  "services",
  "events",
  "configmaps",
  "deployments.apps",
  "daemonsets.apps",
  "statefulsets.apps",
  "jobs.batch",
  "nodes",
  "namespaces",
  "persistentvolumeclaims",
  "persistentvolumes",
  "ingresses.networking.k8s.io",
  "secrets",
]);
