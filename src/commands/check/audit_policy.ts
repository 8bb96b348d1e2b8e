/** The audit policy of a Kubernetes API server: a sample that keeps secrets out of the log, and what is wrong in another. */
import { readPolicyConcerns } from "../../config/audit_policy.ts";
import { errorText } from "../../pipeline/errors.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";

/** One finding per rule that lets secrets into the log. */
export function checkAuditPolicy(subject: string, path: string): readonly Finding[] {
  try {
    const concerns = readPolicyConcerns(path);
    if (concerns.length === 0) return [fine(subject, `"${path}" keeps secrets out of the log`)];
    return concerns.map(({ rule, text }) =>
      warning(
        subject,
        `rule ${rule} of "${path}" ${text}`,
        "put a rule with level: Metadata before it; agent check --sample kubernetes-audit shows one",
      )
    );
  } catch (error) {
    return [
      broken(subject, `"${path}" cannot be used: ${errorText(error)}`, "name the API server's --audit-policy-file"),
    ];
  }
}

/** A policy that says who did what, with the bodies of what may be read, and without secrets. */
export const sampleAuditPolicy = `# Audit policy for a Kubernetes API server: kube-apiserver --audit-policy-file=THIS
#   --audit-log-path=/var/log/kubernetes/audit.log --audit-log-maxsize=100 --audit-log-maxbackup=10
# The first rule that matches decides. No rule here logs the body of a secret; agent hides such bodies once more.
apiVersion: audit.k8s.io/v1
kind: Policy
# One event per request instead of two: the second one has all of the first.
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  # Secrets and tokens: who asked for which, never what is in them.
  - level: Metadata
    resources:
      - {group: "", resources: [secrets, configmaps, serviceaccounts/token]}
      - {group: authentication.k8s.io, resources: [tokenreviews]}
  # What the cluster does all day by itself.
  - level: None
    users: ["system:kube-proxy"]
    verbs: [watch]
    resources:
      - {group: "", resources: [endpoints, services, services/status]}
      - {group: discovery.k8s.io, resources: [endpointslices]}
  - level: None
    userGroups: ["system:nodes"]
    verbs: [get]
    resources:
      - {group: "", resources: [nodes, nodes/status]}
  - level: None
    users: ["system:kube-controller-manager", "system:kube-scheduler", "system:serviceaccount:kube-system:endpoint-controller"]
    verbs: [get, update]
    resources:
      - {group: coordination.k8s.io, resources: [leases]}
  - level: None
    resources:
      - {group: "", resources: [events]}
      - {group: events.k8s.io, resources: [events]}
  - level: None
    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*"]
  # Whoever enters a container, and what of a pod is changed.
  - level: Metadata
    resources:
      - {group: "", resources: [pods/exec, pods/attach, pods/portforward, pods/proxy, services/proxy, nodes/proxy]}
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - {group: "", resources: [pods]}
  # Who may do what: always in full.
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - {group: rbac.authorization.k8s.io}
  # All other changes with what was asked for.
  - level: Request
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - {group: ""}
      - {group: apps}
      - {group: batch}
      - {group: networking.k8s.io}
      - {group: policy}
      - {group: storage.k8s.io}
  - level: Metadata
`;
