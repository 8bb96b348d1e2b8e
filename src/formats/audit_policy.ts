/**
 * Audit policies of a Kubernetes API server (`audit.k8s.io/v1`, kind `Policy`): which rule decides what of a request is
 * logged, asked for the requests that carry secrets. The first rule that matches decides, as in the API server. Pure.
 */

/** Something in a policy that a person should know. */
export interface PolicyConcern {
  /** Number of the rule, from 1. */
  readonly rule: number;
  /** What it lets into the log. */
  readonly text: string;
}

/** Requests whose bodies hold secrets. */
const secretRequests = [
  { group: "", resource: "secrets", what: "the values of Secrets", level: "Request" },
  { group: "authentication.k8s.io", resource: "tokenreviews", what: "the tokens of TokenReviews", level: "Request" },
  {
    group: "",
    resource: "serviceaccounts",
    subresource: "token",
    what: "new tokens of service accounts",
    level: "RequestResponse",
  },
] as const;

/**
 * Every rule that logs secrets in full, for requests that no rule before it takes away.
 * @throws when `policy` is none, with what is wrong
 */
export function concernsOfPolicy(policy: unknown): readonly PolicyConcern[] {
  if (!isObject(policy) || policy.kind !== "Policy" || !String(policy.apiVersion).startsWith("audit.k8s.io/")) {
    throw new Error("it is no audit policy (apiVersion: audit.k8s.io/v1, kind: Policy)");
  }
  if (!Array.isArray(policy.rules) || policy.rules.length === 0) throw new Error("it has no rules");
  const rules = policy.rules.map(readRule);
  return secretRequests.flatMap((request) =>
    rules.flatMap((rule, i): PolicyConcern[] => {
      if (levels.indexOf(rule.level) < levels.indexOf(request.level) || matchOf(rule, request) === "never") return [];
      const before = rules.slice(0, i).some((earlier) => matchOf(earlier, request) === "always");
      return before ? [] : [{ rule: i + 1, text: `logs ${request.what} (level ${rule.level})` }];
    })
  );
}

interface PolicyRule {
  readonly level: string;
  /** Whether it asks for users, groups, verbs or namespaces: then it takes some requests only. */
  readonly narrow: boolean;
  readonly resources: readonly ResourceRule[];
  readonly nonResource: boolean;
}

interface ResourceRule {
  readonly group: string;
  readonly resources: readonly string[];
  readonly named: boolean;
}

type SecretRequest = (typeof secretRequests)[number];

function readRule(rule: unknown, index: number): PolicyRule {
  if (!isObject(rule) || !levels.includes(String(rule.level))) {
    throw new Error(`rule ${index + 1} has no level; allowed: ${levels.join(", ")}`);
  }
  return {
    level: String(rule.level),
    narrow: ["users", "userGroups", "verbs", "namespaces"].some((key) => listOf(rule[key]).length > 0),
    resources: listOf(rule.resources).filter(isObject).map(({ group, resources, resourceNames }) => ({
      group: typeof group === "string" ? group : "",
      resources: listOf(resources).map(String),
      named: listOf(resourceNames).length > 0,
    })),
    nonResource: listOf(rule.nonResourceURLs).length > 0,
  };
}

/** Whether a rule takes all, some or none of the requests. */
function matchOf(rule: PolicyRule, request: SecretRequest): "always" | "sometimes" | "never" {
  if (rule.nonResource) return "never";
  if (rule.resources.length === 0) return rule.narrow ? "sometimes" : "always";
  const matching = rule.resources.filter((resources) => takes(resources, request));
  if (matching.length === 0) return "never";
  return !rule.narrow && matching.some(({ named }) => !named) ? "always" : "sometimes";
}

/** As the API server compares: `*`, `RESOURCE`, `RESOURCE/SUBRESOURCE`, any `/SUBRESOURCE`, `RESOURCE/*`; none: all. */
function takes({ group, resources }: ResourceRule, request: SecretRequest): boolean {
  if (group !== request.group) return false;
  if (resources.length === 0) return true;
  const subresource = "subresource" in request ? request.subresource : undefined;
  const whole = subresource === undefined ? request.resource : `${request.resource}/${subresource}`;
  return resources.some((name) =>
    name === "*" || name === whole ||
    subresource !== undefined && (name === `*/${subresource}` || name === `${request.resource}/*`)
  );
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Least first. */
const levels: readonly string[] = ["None", "Metadata", "Request", "RequestResponse"];
