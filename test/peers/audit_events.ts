/**
 * Events as a Kubernetes API server writes them to its audit log, by number: the same number is always the same event, so
 * that what arrived can be judged without keeping what was sent.
 *
 * ```text
 *   event 2r    request r, its first stage: RequestReceived, of a watch ResponseStarted      no bodies
 *   event 2r+1  request r, its last stage: ResponseComplete, of one in 997 Panic             bodies by level
 *   level       Metadata 50 %, Request 30 %, RequestResponse 20 %                            some 1 KB on average
 *   namespace   24 of them, kube-system with the most; one request in 8 has none, every other of them no objectRef at all
 *   time        stageTimestamp runs evenly through `hours` hours from `startMs` on
 * ```
 *
 * Bodies of secrets, TokenReviews and tokens of service accounts hold {@linkcode plantedSecret}.
 */
import { Buffer } from "node:buffer";

/** How events are spread. */
export interface AuditPlan {
  /** Events in all. */
  readonly events: number;
  /** Hours that they fill. */
  readonly hours: number;
  /** Time of the first, a full hour, milliseconds since 1970. */
  readonly startMs: number;
}

/** Stands in every body that must not leave. */
export const plantedSecret = "aHVudGVyMi1wbGFudGVkLXNlY3JldA==";

/** Namespace of event `index`; undefined: it has none. */
export function namespaceOf(index: number): string | undefined {
  const request = index >> 1;
  if (request % 8 === 7) return undefined;
  const lot = mixed(request) % 40;
  return lot < 17 ? "kube-system" : `team-${String(lot - 16).padStart(2, "0")}`;
}

/** Time of event `index`, milliseconds since 1970. */
export function timeOf(index: number, { events, hours, startMs }: AuditPlan): number {
  return startMs + Math.floor(index * hours * 3_600_000 / events);
}

/** `2026112019` of event `index`. */
export function hourOf(index: number, plan: AuditPlan): string {
  return new Date(timeOf(index, plan)).toISOString().slice(0, 13).replaceAll(/[-T]/g, "");
}

/** Event `index` as the API server's line, without LF. Its number stands in `auditID`. */
export function auditEvent(index: number, plan: AuditPlan): string {
  const request = index >> 1;
  const last = index % 2 === 1;
  const kind = kinds[mixed(request) % kinds.length]!;
  const namespace = namespaceOf(index);
  const level = request % 10 < 5 ? "Metadata" : request % 10 < 8 ? "Request" : "RequestResponse";
  const verb = verbs[request % verbs.length]!;
  const name = `${kind.resource}-${request % 977}`;
  const stage = !last ? (verb === "watch" ? "ResponseStarted" : "RequestReceived") : stageAtEnd(request);
  const body = last && level !== "Metadata" ? bodyOf(kind, name, namespace, request) : undefined;
  const time = new Date(timeOf(index, plan)).toISOString().replace("Z", "");
  const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return JSON.stringify({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level,
    auditID: `${hex(request, 8)}-5e1f-4d2c-9b7a-${hex(mixed(request), 12)}`,
    stage,
    requestURI: `${kind.group === "" ? "/api/v1" : `/apis/${kind.group}/v1`}${scope}/${kind.resource}/${name}`,
    verb,
    user: users[request % users.length],
    sourceIPs: [`10.0.${request % 7}.${request % 250}`],
    userAgent: 'kubelet/v1.31.2 (linux/amd64) kubernetes/5864a46 "quoted" \\ back',
    ...(request % 16 === 15 ? {} : {
      objectRef: {
        resource: kind.resource,
        ...(namespace === undefined ? {} : { namespace }),
        name,
        ...(kind.group === "" ? {} : { apiGroup: kind.group }),
        apiVersion: "v1",
        ...(kind.subresource === undefined ? {} : { subresource: kind.subresource }),
      },
    }),
    ...(last ? { responseStatus: { metadata: {}, code: request % 50 === 0 ? 403 : 200 } } : {}),
    ...(body === undefined
      ? {}
      : { requestObject: verb === "patch" ? [{ op: "replace", path: "/", value: body }] : body }),
    ...(body === undefined || level !== "RequestResponse" ? {} : { responseObject: { ...body, status: { ok: true } } }),
    requestReceivedTimestamp: `${new Date(timeOf(2 * request, plan)).toISOString().replace("Z", "")}117Z`,
    stageTimestamp: `${time}${hex(mixed(index) % 900 + 100, 3).replaceAll(/[a-f]/g, "7")}Z`,
    annotations: {
      "authorization.k8s.io/decision": request % 50 === 0 ? "forbid" : "allow",
      "authorization.k8s.io/reason": 'RBAC: allowed by ClusterRoleBinding "system:node-proxier" of ClusterRole',
    },
  });
}

/** Number of the event in a line; −1 where it is none of ours. */
export function numberOfEvent(line: string): number {
  const request = /"auditID":"([0-9a-f]{8})-5e1f/.exec(line)?.[1];
  const stage = /"stage":"([A-Za-z]+)"/.exec(line)?.[1];
  if (request === undefined || stage === undefined) return -1;
  return 2 * parseInt(request, 16) + (stage === "ResponseComplete" || stage === "Panic" ? 1 : 0);
}

/** Whether event `index` is one whose bodies must not leave. */
export function holdsSecret(index: number, plan: AuditPlan): boolean {
  return auditEvent(index, plan).includes(plantedSecret);
}

/** Appends the events `[from, to)` to an open file. */
export function writeAuditEvents(file: Deno.FsFile, from: number, to: number, plan: AuditPlan): void {
  for (let at = from; at < to;) {
    const lines: string[] = [];
    for (const end = Math.min(to, at + 1_000); at < end; at++) lines.push(auditEvent(at, plan));
    const bytes = Buffer.from(lines.join("\n") + "\n");
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }
}

interface Kind {
  readonly group: string;
  readonly resource: string;
  readonly kind: string;
  readonly subresource?: string;
  readonly secret?: true;
}

function bodyOf(kind: Kind, name: string, namespace: string | undefined, request: number): object {
  const filler = "lorem ipsum dolor sit amet, consectetur ".repeat(4 + request % 9);
  return {
    kind: kind.kind,
    apiVersion: "v1",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: hex(mixed(request), 8),
      annotations: { checksum: digits(request) },
    },
    ...(kind.secret ? { data: { password: plantedSecret } } : { spec: { text: filler, replicas: request % 5 } }),
  };
}

function stageAtEnd(request: number): string {
  return request % 997 === 0 ? "Panic" : "ResponseComplete";
}

/** A number that looks random, the same for the same one. */
function mixed(number: number): number {
  let hash = Math.imul(number + 0x9e3779b9, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** What does not compress: 96 characters. */
function digits(seed: number): string {
  return Array.from({ length: 12 }, (_, i) => hex(mixed(seed * 16 + i), 8)).join("");
}

function hex(number: number, length: number): string {
  return number.toString(16).padStart(length, "0");
}

const verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "get", "get"];
const kinds: readonly Kind[] = [
  { group: "", resource: "pods", kind: "Pod" },
  { group: "", resource: "pods", kind: "Pod", subresource: "status" },
  { group: "", resource: "secrets", kind: "Secret", secret: true },
  { group: "", resource: "configmaps", kind: "ConfigMap" },
  { group: "apps", resource: "deployments", kind: "Deployment" },
  { group: "authentication.k8s.io", resource: "tokenreviews", kind: "TokenReview", secret: true },
  { group: "coordination.k8s.io", resource: "leases", kind: "Lease" },
  { group: "", resource: "serviceaccounts", kind: "TokenRequest", subresource: "token", secret: true },
  { group: "", resource: "nodes", kind: "Node" },
];
const users = [
  { username: "system:node:worker-1", groups: ["system:nodes", "system:authenticated"] },
  {
    username: "system:serviceaccount:kube-system:replicaset-controller",
    uid: "7f9d",
    groups: ["system:serviceaccounts"],
  },
  {
    username: "admin",
    groups: ["system:masters"],
    extra: { "authentication.kubernetes.io/credential-id": ["X509SHA256=9c"] },
  },
];
